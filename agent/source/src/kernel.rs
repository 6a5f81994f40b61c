//! The kernel's generator.

use std::io;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::buffer::Buffer;

/// `getrandom(2)`. Since Linux 5.6 it never runs dry once it has been seeded, which early in a boot it may
/// not be. It is a generator and not a noise source: it earns no credit of entropy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Kernel {
    const NOT_SEEDED_REASON: &str = "NotSeeded";
    /// Why an unseeded generator is not healthy: one word, and a sentence.
    pub const NOT_SEEDED: (&str, &str) = (
        Self::NOT_SEEDED_REASON,
        "the kernel's generator is not seeded yet: a call that waits for its bytes would block",
    );

    /// Whether the kernel's generator is seeded. Costs a system call.
    pub fn ready(self) -> bool {
        // The byte is not used; it is wiped before the stack frame is left.
        let mut probe = zeroize::Zeroizing::new([0; 1]);
        read(probe.as_mut_slice()).is_ok()
    }

    /// Fills all free space of `buffer`; returns how many bytes that were. Never blocks: before the generator
    /// is seeded the error is `WouldBlock`.
    pub fn fill(self, buffer: &mut Buffer) -> io::Result<usize> {
        buffer.fill_with(|space| fill_whole(space, read))
    }

    /// Fills all of `space`. Never blocks: before the generator is seeded the error is `WouldBlock`.
    pub(crate) fn bytes(space: &mut [u8]) -> io::Result<()> {
        fill_whole(space, read).map(|_| ())
    }
}

fn read(space: &mut [u8]) -> Result<usize, Errno> {
    getrandom(space, GetRandomFlags::NONBLOCK)
}

/// Calls `read` until `space` is full: beyond 256 bytes a signal may shorten or interrupt a call.
fn fill_whole(
    space: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < space.len() {
        match read(&mut space[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn short_and_interrupted_reads_are_completed() {
        let mut results = [Ok(3), Err(Errno::INTR), Ok(2), Ok(5)].into_iter();
        let mut space = [0; 10];
        let filled = fill_whole(&mut space, |rest| {
            let count = results.next().unwrap()?;
            rest[..count].fill(7);
            Ok(count)
        });
        assert_eq!(filled.unwrap(), 10);
        assert_eq!(space, [7; 10]);
    }

    #[test]
    fn an_unseeded_kernel_would_block() {
        let error = fill_whole(&mut [0; 4], |_| Err(Errno::AGAIN)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_running_kernel_fills_a_buffer() {
        let mut buffer = Buffer::new().unwrap();
        assert!(Kernel.ready());
        assert_eq!(Kernel.fill(&mut buffer).unwrap(), buffer.capacity());
        assert_eq!(Kernel.fill(&mut buffer).unwrap(), 0);
    }
}
