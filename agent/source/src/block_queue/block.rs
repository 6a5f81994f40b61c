//! Bytes under way.

use crate::buffer::Buffer;

/// What bytes are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// What the pool promises.
    Promised,
    /// Less, for those who may have it.
    Degraded,
}

/// Bytes of one grade and one epoch.
#[derive(Debug)]
pub(crate) struct Block {
    pub(super) bytes: Buffer,
    pub(super) grade: Quality,
    pub(super) epoch: u64,
}

impl Block {
    /// Whether all of `next` may be put behind these bytes.
    pub(super) fn goes_with(&self, next: &Self) -> bool {
        let room = self.bytes.capacity() - self.bytes.level();
        (self.grade, self.epoch) == (next.grade, next.epoch) && next.bytes.level() <= room
    }
}
