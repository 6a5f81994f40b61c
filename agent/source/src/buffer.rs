//! Random bytes that wait to be served.

use std::{fmt, io};

use zeroize::Zeroize;

use crate::memory::{MapMemory, Memory};

/// What a buffer holds unless told otherwise. A refill of 4 KiB stalls the event loop for 7 µs, one of
/// 32 KiB for 55 µs, and costs 3 ns more for each request of 64 bytes (docs/adr/0003).
pub const CAPACITY: usize = 4096;

/// A fixed piece of protected memory, filled at the back and consumed at the front. What is consumed is
/// zero at once; so is everything when the buffer goes. It cannot be copied, and does not print its bytes.
pub struct Buffer {
    memory: Memory,
    /// Bytes not served yet: `start..end`. All outside is zero.
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer of [`CAPACITY`] bytes.
    pub fn new() -> Result<Self, MapMemory> {
        Self::with_capacity(CAPACITY)
    }

    /// An empty buffer of `capacity` bytes, at least one.
    pub fn with_capacity(capacity: usize) -> Result<Self, MapMemory> {
        Ok(Self { memory: Memory::map(capacity)?, start: 0, end: 0 })
    }

    /// Is the memory locked and left out of core dumps? If not (`RLIMIT_MEMLOCK`), the buffer works, and its
    /// owner says so once.
    pub fn locked(&self) -> bool {
        self.memory.locked()
    }

    /// How many bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.memory.bytes().len()
    }

    /// How many bytes wait.
    pub fn level(&self) -> usize {
        self.end - self.start
    }

    /// All bytes that wait, oldest first.
    pub fn chunk(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.end]
    }

    /// Wipes the oldest `count` bytes, at most what waits: they were served, or never shall be.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.level(), "more consumed than there was");
        let served = self.start..self.start + count.min(self.level());
        self.start = served.end;
        self.memory.bytes_mut()[served].zeroize();
        if self.level() == 0 {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Offers all free space to `fill`, which says how many bytes at its front are now random. Gives that
    /// number. What waits may be moved to the front first. After an error nothing was added.
    pub fn fill_with(&mut self, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.compact();
        let end = self.end;
        let space = &mut self.memory.bytes_mut()[end..];
        let filled = fill(space);
        let added = filled.as_ref().map_or(0, |count| (*count).min(space.len()));
        // Whatever a source left behind what it vouches for.
        space[added..].zeroize();
        self.end += added;
        filled.map(|_| added)
    }

    /// Moves what waits to the front, and wipes where it was.
    fn compact(&mut self) {
        if self.start == 0 {
            return;
        }
        let level = self.level();
        let bytes = self.memory.bytes_mut();
        bytes.copy_within(self.start..self.end, 0);
        bytes[level.max(self.start)..self.end].zeroize();
        (self.start, self.end) = (0, level);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("level", &self.level())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
