//! The noise sources: devices, upstreams, the processor and files.
//!
//! Only the resolver of a host name and a driver that ignores `O_NONBLOCK` may block, so every source has its thread.

mod device;
mod file;
mod opener;
mod rdseed;
mod upstream;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::event::PollFlags;

pub(crate) use file::Position;
pub(crate) use opener::opener;

/// An open source.
pub(crate) trait Noise: Send {
    /// Reads available bytes to the front of `space`, at least one and in the order in which they were made.
    /// `WouldBlock` when there are none yet; zero at the end.
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize>;

    /// What to poll after `WouldBlock`; `None` if the source cannot be polled.
    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)>;
}

/// Opens a source, again at each call.
pub(crate) type Opener = Box<dyn FnMut() -> Result<Box<dyn Noise>, OpenError> + Send>;

/// A source could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{} cannot be opened: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    /// A directory, a symbolic link, a pipe.
    #[error("{} is not a {expected}", path.display())]
    WrongType { path: PathBuf, expected: &'static str },
    #[error("this processor has no {instruction}")]
    NoInstruction { instruction: &'static str },
    #[error("{address} cannot be resolved: {source}")]
    Resolve { address: String, source: io::Error },
    #[error("{upstream} cannot be connected to: {source}")]
    Connect { upstream: String, source: io::Error },
}
