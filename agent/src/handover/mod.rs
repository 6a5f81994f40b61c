//! Planned restart: a process hands all its sockets, and where each of them stands, to its successor.
//!
//! | step | predecessor | successor |
//! |---|---|---|
//! | hello | hears who asks | asks |
//! | offer | writes down what it keeps, changes nothing more | reads that, prepares |
//! | ask | stops serving, sends sockets and estate | |
//! | ready | | could serve |
//! | done | has ended | serves |
//!
//! Until it says *done* the predecessor can go on, and does when its successor dies, is silent too long or speaks
//! nonsense. A successor that does not hear *done* serves nobody and ends. No random byte travels: those that wait in a
//! buffer are wiped with it.

mod channel;
mod predecessor;
#[cfg(feature = "stage")]
mod rehearsal;
mod successor;
mod wire;

use std::io;
use std::path::PathBuf;

pub use predecessor::Predecessor;
#[cfg(feature = "stage")]
pub use rehearsal::rehearse;
pub use successor::{Door, Successor};
pub use wire::Estate;

/// Of the conversation. The estate has none: its fields are only ever added.
const VERSION: u16 = 1;

/// Why a predecessor goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// It did not get so far as to ask for anything.
    #[error("the successor did not get ready to take over")]
    Prepare(#[source] io::Error),
    /// It asked and did not take.
    #[error("the successor did not take over")]
    Take(#[source] io::Error),
    /// There is nothing to be handed over any more.
    #[error("the data plane is stopping")]
    Stopping,
}

impl HandOverError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "SuccessorNotPrepared",
            Self::Take(_) => "SuccessorFailed",
            Self::Stopping => "Stopping",
        }
    }
}

/// Why a successor does not serve.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The predecessor's socket cannot be used.
    #[error("the running daemon cannot be asked at {}", path.display())]
    Knock {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not want to.
    #[error("the running daemon does not hand over; it goes on serving")]
    Refused(#[source] io::Error),
    /// What it said is not complete.
    #[error("the running daemon did not hand over all; it goes on serving")]
    Estate(#[source] io::Error),
    /// It has changed its mind.
    #[error("the running daemon did not wait any longer and goes on serving")]
    Withdrawn(#[source] io::Error),
}

impl TakeOverError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Knock { .. } => "CannotAsk",
            Self::Refused(_) => "Refused",
            Self::Estate(_) => "EstateIncomplete",
            Self::Withdrawn(_) => "Withdrawn",
        }
    }
}
