//! The data plane over real sockets.
#![allow(clippy::unwrap_used)]

mod clock;
mod commands;
mod rig;
