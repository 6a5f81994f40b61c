//! The read edge: what noise sources are to the rest of the crate.
//!
//! Nothing here waits, but for the resolver of a host name and a driver that ignores `O_NONBLOCK`; so every
//! source has a thread of its own.

mod device;
mod error;
mod file;
mod opener;
mod rdseed;
mod upstream;

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;

pub(crate) use error::OpenSource;
pub(crate) use file::Position;
pub(crate) use opener::opener;

/// A source that is open.
pub(crate) trait Noise: Send {
    /// Puts what is there at the front of `space`, at least one byte and in the order in which it was made.
    /// `WouldBlock` when there is nothing yet; zero when there will be nothing more.
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize>;

    /// What to wait on after `WouldBlock`; nothing if only time can help.
    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)>;
}

/// Opens a source, once more at each call.
pub(crate) type Open = Box<dyn FnMut() -> Result<Box<dyn Noise>, OpenSource> + Send>;
