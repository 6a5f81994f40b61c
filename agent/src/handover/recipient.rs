//! The receiving end of a hand-over, as its predecessor sees it.

use std::io;
use std::os::fd::BorrowedFd;

use dataplane::VmState;

use super::wire::OwnState;

/// Receives everything that a process serves: a [`Successor`](super::Successor), or
/// [systemd](super::SystemdFdStore) until there is one.
pub trait Recipient: Send + 'static {
    /// Proof that it has received everything.
    type Receipt: Send + 'static;

    /// Asks it to prepare, and waits until it has.
    fn offer(&self) -> Result<(), HandoverError>;

    /// Tells it why there will be no hand-over.
    fn refuse(self, reason: &str);

    /// Sends everything. After a success this process must not serve any more.
    fn send(self, vms: &[VmState<BorrowedFd<'_>>], own: &OwnState) -> Result<Self::Receipt, HandoverError>;
}

/// Why a predecessor resumes.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("the successor did not get ready to take over")]
    Prepare(#[source] io::Error),
    /// The checkpoint is not up to date.
    #[error("{0}")]
    Unwritten(String),
    #[error("the sockets cannot be shared")]
    Sockets(#[source] io::Error),
    #[error("the successor did not take over")]
    Take(#[source] io::Error),
    #[error("the service manager does not keep this daemon's sockets")]
    FdStoreFull(#[source] io::Error),
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
