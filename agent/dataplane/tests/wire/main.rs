//! The data plane over real sockets.
#![allow(clippy::unwrap_used)]

mod bucket_state_file;
mod clock;
mod commands;
mod counters;
mod idle;
mod lifecycle;
mod limits;
mod rig;
mod shaping;
mod sockets;
mod unsolicited;
