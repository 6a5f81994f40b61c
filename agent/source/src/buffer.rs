//! Random bytes that wait to be served.

use std::{fmt, io};

use zeroize::Zeroize;

use crate::memory::{MapError, Memory};

/// The default capacity of a buffer. A refill of 4 KiB stalls the event loop for 7 µs, one of
/// 32 KiB for 55 µs, and costs 3 ns more for each request of 64 bytes (docs/adr/0003).
pub const CAPACITY: usize = 4096;

/// A fixed piece of protected memory, filled at the back and consumed at the front. What is consumed is
/// zero at once; so is everything when the buffer is dropped. It cannot be copied, and does not print its bytes.
pub struct Buffer {
    memory: Memory,
    /// Bytes not served yet: `start..end`. All outside is zero.
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer of [`CAPACITY`] bytes.
    pub fn new() -> Result<Self, MapError> {
        Self::with_capacity(CAPACITY)
    }

    /// An empty buffer of `capacity` bytes, at least one.
    pub fn with_capacity(capacity: usize) -> Result<Self, MapError> {
        Ok(Self { memory: Memory::map(capacity)?, start: 0, end: 0 })
    }

    /// Whether the memory is locked and left out of core dumps. If not (`RLIMIT_MEMLOCK`), the buffer works, and its
    /// owner reports it once.
    pub fn locked(&self) -> bool {
        self.memory.locked()
    }

    pub fn capacity(&self) -> usize {
        self.memory.bytes().len()
    }

    pub fn level(&self) -> usize {
        self.end - self.start
    }

    /// All bytes that wait, oldest first.
    pub fn chunk(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.end]
    }

    /// Wipes the oldest `count` bytes, at most what waits: they were served, or never will be.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.level(), "more consumed than there was");
        let served = self.start..self.start + count.min(self.level());
        self.start = served.end;
        self.memory.bytes_mut()[served].zeroize();
        if self.level() == 0 {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Offers all free space to `fill`, which returns how many bytes at its front are now random; returns that
    /// number. What waits may be moved to the front first. An error adds nothing.
    pub fn fill_with(&mut self, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.compact();
        let end = self.end;
        let space = &mut self.memory.bytes_mut()[end..];
        let filled = fill(space);
        let added = filled.as_ref().map_or(0, |count| (*count).min(space.len()));
        // A source may have written more than it returned.
        space[added..].zeroize();
        self.end += added;
        filled.map(|_| added)
    }

    /// Adds a copy of these bytes, as far as there is room; returns how many. What waits is moved to the front only if
    /// there is too little room behind it.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> usize {
        if bytes.len() > self.capacity() - self.end {
            self.compact();
        }
        let room = &mut self.memory.bytes_mut()[self.end..];
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.end += count;
        count
    }

    /// Moves what waits in `other` here, as far as there is room; there it is wiped. Returns how many bytes.
    pub(crate) fn append(&mut self, other: &mut Self) -> usize {
        self.append_some(other, usize::MAX)
    }

    /// The same for the oldest bytes, at most so many.
    pub(crate) fn append_some(&mut self, other: &mut Self, most: usize) -> usize {
        self.compact();
        let (from, room) = (other.chunk(), &mut self.memory.bytes_mut()[self.end..]);
        let count = from.len().min(room.len()).min(most);
        room[..count].copy_from_slice(&from[..count]);
        self.end += count;
        other.consume(count);
        count
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn holding(bytes: &[u8], capacity: usize) -> Buffer {
        let mut buffer = Buffer::with_capacity(capacity).unwrap();
        buffer.fill_with(|space| put(space, bytes)).unwrap();
        buffer
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a source")]
    fn put(space: &mut [u8], bytes: &[u8]) -> io::Result<usize> {
        space[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    #[test]
    fn consumed_bytes_are_zero_in_memory() {
        let mut buffer = holding(b"abcdef", 8);
        buffer.consume(4);
        assert_eq!(buffer.chunk(), b"ef");
        assert_eq!(buffer.memory.bytes(), b"\0\0\0\0ef\0\0");
        buffer.consume(2);
        assert_eq!(buffer.memory.bytes(), [0; 8]);
        assert_eq!(buffer.level(), 0);
    }

    #[test]
    fn a_refill_keeps_the_order_and_leaves_no_copy_behind() {
        for consumed in 0..=6 {
            let mut buffer = holding(b"abcdef", 8);
            buffer.consume(consumed);
            let added = buffer.fill_with(|space| {
                assert!(space.iter().all(|byte| *byte == 0), "a source sees bytes that wait");
                put(space, b"g")
            });
            assert_eq!(added.unwrap(), 1);
            let expected = &b"abcdefg"[consumed..];
            assert_eq!(buffer.chunk(), expected);
            let zeros = vec![0; 8 - expected.len()];
            assert_eq!(buffer.memory.bytes(), [expected, &zeros].concat());
        }
    }

    #[test]
    fn bytes_beyond_the_returned_count_are_wiped() {
        let mut buffer = holding(b"ab", 8);
        let short = |space: &mut [u8]| put(space, b"cdef").map(|_| 1);
        assert_eq!(buffer.fill_with(short).unwrap(), 1);
        assert_eq!(buffer.memory.bytes(), b"abc\0\0\0\0\0");
        let failing = |space: &mut [u8]| put(space, b"xyz").and_then(|_| Err(io::ErrorKind::TimedOut.into()));
        assert_eq!(buffer.fill_with(failing).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(buffer.memory.bytes(), b"abc\0\0\0\0\0");
    }

    #[test]
    fn a_source_cannot_claim_more_than_it_was_offered() {
        let mut buffer = holding(b"abc", 8);
        assert_eq!(buffer.fill_with(|space| Ok(space.len() + 1)).unwrap(), 5);
        assert_eq!(buffer.level(), 8);
        assert_eq!(buffer.fill_with(|space| Ok(space.len())).unwrap(), 0);
    }

    #[test]
    fn appended_bytes_are_wiped_where_they_were() {
        let (mut buffer, mut other) = (holding(b"abc", 5), holding(b"defg", 8));
        buffer.consume(1);
        buffer.append(&mut other);
        assert_eq!(buffer.memory.bytes(), b"bcdef");
        assert_eq!(other.memory.bytes(), b"\0\0\0g\0\0\0\0");
        buffer.append(&mut other);
        assert_eq!((buffer.chunk(), other.chunk()), (&b"bcdef"[..], &b"g"[..]));
    }

    #[test]
    fn printing_shows_no_byte() {
        let printed = format!("{:?}", holding(b"secret", 8));
        assert_eq!(printed, "Buffer { level: 6, capacity: 8, .. }");
    }
}
