//! The data plane over real sockets.
#![allow(clippy::unwrap_used)]

mod clock;
mod commands;
mod counters;
mod crash_state;
mod idle;
mod lifecycle;
mod limits;
mod rig;
mod shaping;
mod sockets;
mod unsolicited;
