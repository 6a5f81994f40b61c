//! Where the loop reads to: the first pages of the [session file](super::SessionFile).

use std::io;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

use memmap2::MmapMut;

use super::session_record::NOTHING_READ;

/// Index of a connection's record, and the number of its socket in the store.
pub(crate) type SessionIndex = u32;

/// The bytes of the file before its records: whole pages, since they are mapped by themselves.
pub(super) const HEAD: usize = 3 * 4096;
/// Where the file says which connection is being read: the index of its record, plus one.
const READING: Range<usize> = 64..68;
/// Where the bytes that are read arrive.
const BUFFER: usize = 4096;
/// The most bytes of a read. One more byte is for a read that begins at the second byte of a command.
pub(crate) const READ_CAPACITY: usize = HEAD - BUFFER - 1;

/// Where bytes are read to, so that they are not lost with this process.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    map: MmapMut,
    /// How far it may not be as [`NOTHING_READ`] says.
    filled: usize,
}

impl ReadBuffer {
    pub(super) fn of(map: MmapMut) -> Self {
        Self { map, filled: 0 }
    }

    /// One that nobody keeps.
    pub(crate) fn anonymous() -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(HEAD)?, filled: 0 })
    }

    /// The place for the next read of a connection, which has the first byte of a command already if it is `half`.
    pub(crate) fn begin(&mut self, index: Option<SessionIndex>, half: bool, budget: usize) -> &mut [u8] {
        let start = BUFFER + usize::from(half);
        if let Some(index) = index {
            self.map[READING].copy_from_slice(&(index + 1).to_ne_bytes());
            compiler_fence(Ordering::SeqCst);
        }
        let end = start + budget.min(READ_CAPACITY);
        self.filled = end - BUFFER;
        &mut self.map[start..end]
    }

    /// So many bytes were read, and the connection's record says so; `None`: an unknown number.
    pub(crate) fn end(&mut self, read: Option<usize>) {
        compiler_fence(Ordering::SeqCst);
        self.map[READING].fill(0);
        compiler_fence(Ordering::SeqCst);
        let filled = read.map_or(self.filled, |read| (read + 1).min(self.filled));
        fill(&mut self.map[BUFFER..BUFFER + filled]);
    }
}

fn fill(buffer: &mut [u8]) {
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = NOTHING_READ[at % 2];
    }
}

/// The connection that was being read when the process died.
pub(super) fn reading(head: &[u8]) -> Option<SessionIndex> {
    let index = head[READING].first_chunk().copied().map(u32::from_ne_bytes);
    index.and_then(|index| index.checked_sub(1))
}

/// What had been read of it.
pub(super) fn read_bytes(head: &[u8]) -> &[u8] {
    &head[BUFFER..]
}

/// Nothing is being read.
pub(super) fn clear(head: &mut [u8]) {
    head[READING].fill(0);
    compiler_fence(Ordering::SeqCst);
    fill(&mut head[BUFFER..]);
}
