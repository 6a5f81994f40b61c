//! A 0x01 that waits for its turn in the tree.

use htb::Tick;

use crate::clock::MILLISECOND;

/// How long a 0x01 stays in the tree: 100 ms.
///
/// It must be long enough for a turn. A VM that is assured 1 KiB/s and asks for 64 bytes at a time has paid for the last
/// 64 after 63 ms, and a class with a ceil of 2.5 KB/s lets the next request through 100 ms after the largest one. And it
/// must be short enough for clients that were written for an answer at once: EGD clients give up after seconds.
const MAX_WAIT: u64 = 100 * MILLISECOND;

/// The 0x01 at the head of a session, while it is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonBlockingRead {
    granted: u8,
    /// By when it is answered.
    due: Tick,
}

impl NonBlockingRead {
    pub(super) fn new(now: Tick) -> Self {
        Self { granted: 0, due: now.after(MAX_WAIT) }
    }

    /// Adds a grant. A 0x01 asks for at most 255 bytes, so the sum fits.
    pub(super) fn grant(&mut self, bytes: u64) {
        self.granted = self.granted.saturating_add(u8::try_from(bytes).unwrap_or(u8::MAX));
    }

    /// Bytes granted so far.
    pub(super) fn granted(self) -> u8 {
        self.granted
    }

    pub(super) fn has_bytes(self) -> bool {
        self.granted > 0
    }

    pub(super) fn due(self) -> Tick {
        self.due
    }
}
