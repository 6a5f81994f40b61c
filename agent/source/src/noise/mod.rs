//! The noise sources: devices, upstreams, the processor and files.
//!
//! Only the resolver of a host name and a driver that ignores `O_NONBLOCK` may block, so every source has its thread.

mod device;
mod file;
mod hwrng;
mod opener;
mod own_sockets;
mod provenance;
mod rdseed;
mod terminal;
mod upstream;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::PollFlags;

use crate::health::ReadFailure;
pub(crate) use file::Position;
pub(crate) use hwrng::GeneratorChanged;
pub(crate) use opener::opener;
pub(crate) use own_sockets::OwnSockets;
pub(crate) use provenance::Provenance;
#[cfg(any(test, feature = "fake"))]
pub(crate) use provenance::{Nesting, SourceIdentity};

/// An open source.
pub(crate) trait Noise: Send {
    /// Reads available bytes to the front of `space`, at least one and in the order in which they were made.
    /// `WouldBlock` when there are none yet; zero at the end.
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize>;

    /// What to poll after `WouldBlock`; `None` if the source cannot be polled.
    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)>;

    /// What it turned out to be. More may be known later.
    fn provenance(&self) -> Arc<Provenance>;
}

/// Opens a source, again at each call.
pub(crate) type Opener = Box<dyn FnMut() -> Result<Box<dyn Noise>, OpenError> + Send>;

/// A source could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{} cannot be opened: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// A directory, a pipe.
    #[error("{} is not a {expected}", path.display())]
    WrongType { path: PathBuf, expected: &'static str },
    #[error("this processor has no {instruction}")]
    NoInstruction { instruction: &'static str },
    #[error("{address} cannot be resolved: {source}")]
    Resolve { address: String, source: io::Error },
    #[error("{upstream} cannot be connected to: {source}")]
    Connect { upstream: String, source: io::Error },
    /// The output of a DRBG has no entropy of its own: SP 800-90B 2.1 wants a noise source.
    #[error("{} is {generator}, a DRBG and not a noise source; for the kernel's generator write `kernel: {{}}`", path.display())]
    Deterministic { path: PathBuf, generator: String },
    #[error("{} is a terminal and cannot be made raw and exclusive: {source}", path.display())]
    Terminal { path: PathBuf, source: io::Error },
    #[error("{upstream} is a socket of this daemon, which cannot draw from itself: name another server")]
    OwnSocket { upstream: String },
}

impl OpenError {
    pub(crate) fn failure(&self) -> ReadFailure {
        match self {
            Self::Deterministic { .. } => ReadFailure::Deterministic,
            Self::Terminal { .. } => ReadFailure::Terminal,
            Self::OwnSocket { .. } => ReadFailure::OwnSocket,
            Self::Open { .. }
            | Self::WrongType { .. }
            | Self::NoInstruction { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. } => ReadFailure::Io,
        }
    }
}
