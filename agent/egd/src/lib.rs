//! The EGD protocol as pure state: bytes in, bytes out, no clock, no socket, no allocation.
//!
//! Start with [`Session`], the server's side of a connection. It holds no random bytes: it says what to write next,
//! and the caller takes the bytes from the pool when it writes. [`Command`] is the client's side of the protocol.
//!
//! A session never stops reading (a client that blocks in `write` is a frozen virtual machine), never grows with what
//! a client requests, never credits what a client sends, and never guesses at an unknown command.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod codec;
mod reply_queue;
mod request_queue;
mod ring;
mod session;
mod snapshot;

pub use codec::Command;
pub use reply_queue::{Replies, Reply};
pub use request_queue::{Demand, MAX_OWED, MAX_RUNS, ProtocolError};
pub use session::{Session, SessionCounters};
pub use snapshot::{InvalidSnapshot, QueuedReply, SessionSnapshot};
