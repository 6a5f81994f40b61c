//! The hand-over protocol of a planned restart: a process sends all its sockets and their state to its successor.
//!
//! | step | predecessor | successor |
//! |---|---|---|
//! | hello | accepts the connection | connects |
//! | offer | writes the checkpoint, makes no more changes | reads the checkpoint, prepares, says so each second |
//! | ask | stops serving, sends locks, sockets and state | |
//! | ready | | is ready to serve |
//! | done | has stopped for good | serves, opens its own sockets |
//! | serves | exits | |
//!
//! Until it sends *done* the predecessor can resume, and does when its successor dies, times out or sends an invalid
//! message. A successor that does not receive *done* serves nothing and exits. If one dies between *done* and *serves*, the
//! predecessor's supervisor starts the next worker, as after a crash. No random bytes are sent: those that wait in a
//! buffer are wiped with it.
//!
//! Where one process ends before the next one starts, systemd stores sockets and state in between
//! ([`SystemdFdStore`]).
//!
//! In a cluster pods replace each other. A pod that is older than the one that serves is refused ([`PodGeneration`]).

mod fd_channel;
mod keepalive;
mod pod_generation;
mod predecessor;
mod recipient;
#[cfg(feature = "sim")]
mod sim;
mod successor;
mod systemd_fdstore;
mod wire;

pub(crate) use pod_generation::PodGeneration;
pub use predecessor::Predecessor;
pub(crate) use predecessor::{HandoverSource, PredecessorGuard, ReceiveError};
pub(crate) use recipient::HandoverError;
pub use recipient::Recipient;
#[cfg(feature = "sim")]
pub use sim::connected_pair;
pub use successor::Successor;
pub(crate) use successor::{HandoverListener, PendingSuccessor, SuccessorWait};
pub(crate) use systemd_fdstore::{StoredHandover, SystemdFdStore};
pub use wire::OwnState;
pub(crate) use wire::{listener_file, listener_message};
