//! A supply's bytes on the loop's side of the pipe.

use crate::block_queue::{Producer, Quality};
use crate::buffer::Buffer;
use crate::memory::MapMemory;

/// Below this the loop may have to wait: EGD's largest request.
const LOW: u64 = 255;

/// A buffer in front of a pipe. It never mixes bytes of two grades.
#[derive(Debug)]
pub(super) struct EngineReader {
    buffer: Buffer,
    /// The grade of what is in the buffer, and the oldest epoch.
    grade: Quality,
    epoch: u64,
    inlet: Producer,
}

impl EngineReader {
    pub(super) fn new(inlet: Producer) -> Result<Self, MapMemory> {
        Ok(Self { buffer: Buffer::new()?, grade: Quality::Promised, epoch: 0, inlet })
    }

    pub(super) fn locked(&self) -> bool {
        self.buffer.locked()
    }

    /// Bytes of one grade that are there, without those that are spoken for.
    pub(super) fn level(&mut self, reserved: u64) -> u64 {
        let mut level = self.free(reserved);
        if level < LOW && self.inlet.hunger() {
            // What came just before that was said came without a wake.
            level = self.free(reserved);
        }
        level
    }

    /// Bytes that are there, of one grade.
    pub(super) fn waiting(&mut self) -> u64 {
        self.look();
        self.buffer.level() as u64 + self.inlet.level(self.grade())
    }

    pub(super) fn is_degraded(&mut self) -> bool {
        self.look();
        self.grade() == Quality::Degraded
    }

    /// The buffer, with `wanted` bytes in it if there are as many, and their grade.
    pub(super) fn gather(&mut self, wanted: usize) -> (&mut Buffer, Quality) {
        while !self.has(wanted) && self.inlet.hunger() {}
        (&mut self.buffer, self.grade)
    }

    /// Whether so many are in the buffer, once it has taken in what came.
    fn has(&mut self, wanted: usize) -> bool {
        self.look();
        while self.buffer.level() < wanted && self.refill() {}
        self.buffer.level() >= wanted
    }

    pub(super) fn forget(&mut self) {
        self.buffer.consume(self.buffer.level());
        self.inlet.forget();
    }

    fn free(&mut self, reserved: u64) -> u64 {
        self.waiting().saturating_sub(reserved)
    }

    /// The grade of the bytes that come next.
    fn grade(&self) -> Quality {
        match self.inlet.next() {
            Some((grade, _)) if self.buffer.level() == 0 => grade,
            _ => self.grade,
        }
    }

    /// Takes in what came, and drops what is not to be served any more.
    fn look(&mut self) {
        self.inlet.look();
        if self.epoch < self.inlet.epoch() {
            self.buffer.consume(self.buffer.level());
            (self.grade, self.epoch) = (Quality::Promised, self.inlet.epoch());
        }
    }

    /// Moves bytes into the buffer; false if there are none that go with those in it.
    fn refill(&mut self) -> bool {
        let Some((grade, epoch)) = self.inlet.next() else { return false };
        if self.buffer.level() == 0 {
            (self.grade, self.epoch) = (grade, epoch);
        } else if self.grade != grade {
            return false;
        }
        let Self { buffer, inlet, .. } = self;
        buffer.fill_with(|space| Ok(inlet.take(space))).is_ok_and(|count| count > 0)
    }
}
