//! Planned restart: a process hands all its sockets, and where each of them stands, to its successor.
//!
//! | step | predecessor | successor |
//! |---|---|---|
//! | hello | hears who asks | asks |
//! | offer | writes down what it keeps, changes nothing more | reads that, prepares |
//! | ask | stops serving, sends sockets and estate | |
//! | ready | | could serve |
//! | done | has stopped for good | serves, opens its own sockets |
//! | serves | ends | |
//!
//! Until it says *done* the predecessor can go on, and does when its successor dies, is silent too long or speaks
//! nonsense. A successor that does not hear *done* serves nobody and ends. One that dies between *done* and *serves* is
//! followed by whom the predecessor's supervisor starts, as after a crash. No random byte travels: those that wait in a
//! buffer are wiped with it.
//!
//! Where one ends before the other begins, a service manager keeps all of it in between ([`Store`]).
//!
//! In a cluster pods replace each other. A pod that is older than the one that serves is refused ([`Birth`]).

mod channel;
mod pending_successor;
mod pod_generation;
mod predecessor;
mod receive;
mod send;
#[cfg(feature = "stage")]
mod sim;
mod successor;
mod systemd_fdstore;
mod wire;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use dataplane::VmState;

pub use pending_successor::{PendingSuccessor, SuccessorWait};
pub use pod_generation::PodGeneration;
pub use predecessor::{Predecessor, PredecessorGuard};
pub use receive::{ExpectedVms, HandoverSource, Received};
pub use send::send;
#[cfg(feature = "stage")]
pub use sim::rehearse;
pub use successor::{HandoverListener, Successor};
pub use systemd_fdstore::{StoredHandover, SystemdFdStore};
pub use wire::{Bound, HandoverState, Sockets};

/// Of the conversation. The estate has none: its fields are only ever added.
const VERSION: u16 = 2;
/// The oldest that can be spoken with: it ends with *done*, and knows no pods.
const OLDEST: u16 = 1;

/// Who is to have everything.
pub trait Recipient: Send + 'static {
    /// What there is of it once it has.
    type Heir: Send + 'static;

    /// Tells it to prepare, and waits until it has.
    fn offer(&self) -> Result<(), HandoverError>;

    /// Tells it why it will get nothing.
    fn refuse(self, why: &str);

    /// Gives it everything; when this succeeds, we serve no more.
    fn give(self, vms: &[VmState<BorrowedFd<'_>>], own: &Sockets) -> Result<Self::Heir, HandoverError>;
}

/// Why a predecessor goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It did not get so far as to ask for anything.
    #[error("the successor did not get ready to take over")]
    Prepare(#[source] io::Error),
    /// It would not know what has to be known.
    #[error("{0}")]
    Unwritten(String),
    /// There is no descriptor for it.
    #[error("the sockets cannot be shared")]
    Sockets(#[source] io::Error),
    /// It asked and did not take.
    #[error("the successor did not take over")]
    Take(#[source] io::Error),
    /// There is no room for it, or nobody to ask.
    #[error("the service manager does not keep this daemon's sockets")]
    FdStoreFull(#[source] io::Error),
    /// There is nothing to be handed over any more.
    #[error("the data plane is stopping")]
    Stopping,
}

impl HandoverError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "SuccessorNotPrepared",
            Self::Unwritten(_) => "StateNotWritten",
            Self::Sockets(_) => "NoDescriptors",
            Self::Take(_) => "SuccessorFailed",
            Self::FdStoreFull(_) => "FdStoreFull",
            Self::Stopping => "Stopping",
        }
    }
}

/// Why a successor does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The predecessor's socket cannot be used.
    #[error("the running daemon cannot be asked at {}", path.display())]
    Knock {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is of a newer pod: it never will.
    #[error("the agent of a newer pod serves these directories")]
    Newer,
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

impl ReceiveError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Knock { .. } => "CannotAsk",
            Self::Newer => "NewerPodServes",
            Self::Refused(_) => "Refused",
            Self::Estate(_) => "HandoverIncomplete",
            Self::Withdrawn(_) => "Withdrawn",
        }
    }
}
