//! The data plane over real sockets.
#![allow(clippy::unwrap_used)]

mod clock;
mod commands;
mod counts;
mod idle;
mod life;
mod limits;
mod places;
mod rig;
mod shaping;
mod state;
mod unsolicited;
