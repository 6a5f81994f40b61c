//! The EGD protocol as pure state: bytes in, bytes out, no clock, no socket, no allocation.
//!
//! Start with [`Session`], the server's side of one connection. It holds no random byte: it says what may
//! be written next, and the caller takes the bytes from the pool at the moment it writes. [`Command`] is
//! the client's side of the wire.
//!
//! What it refuses to do: to stop reading (a client that blocks in `write` is a frozen virtual machine), to
//! grow with what a client asks for, to credit what a client sends, and to guess at an unknown command.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod command;
mod counters;
mod decoder;
mod protocol_error;
mod reply_queue;
mod request_queue;
mod ring;
mod session;
mod snapshot;

pub use command::Command;
pub use counters::Counters;
pub use protocol_error::ProtocolError;
pub use reply_queue::{Output, Outputs};
pub use request_queue::{Demand, MAX_OWED, MAX_RUNS};
pub use session::Session;
pub use snapshot::{InvalidSnapshot, QueuedReply, SessionSnapshot};
