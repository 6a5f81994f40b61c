//! The event loop's buffer in front of an engine's queue.

use crate::block_queue::{Consumer, Quality};
use crate::buffer::{Buffer, CAPACITY};
use crate::memory::MapError;

/// Below this the loop may have to wait: EGD's largest request.
const LOW: u64 = 255;

/// The most bytes that are taken over from a queue: all that it holds after one that took over as many.
const MOST_TAKEN_OVER: usize = 16_384;

/// Never mixes bytes of two qualities.
#[derive(Debug)]
pub(super) struct EngineReader {
    buffer: Buffer,
    /// The quality of the bytes in the buffer, and the oldest epoch.
    quality: Quality,
    epoch: u64,
    queue: Consumer,
}

impl EngineReader {
    pub(super) fn new(queue: Consumer) -> Result<Self, MapError> {
        Ok(Self { buffer: Buffer::new()?, quality: Quality::Promised, epoch: 0, queue })
    }

    /// Bytes of one quality that are not reserved.
    pub(super) fn level(&mut self, reserved: u64) -> u64 {
        let mut level = self.waiting().saturating_sub(reserved);
        if level < LOW && self.queue.request_more() {
            // Bytes sent just before the request came without a wake.
            level = self.waiting().saturating_sub(reserved);
        }
        level
    }

    /// Bytes of one quality, reserved or not.
    pub(super) fn waiting(&mut self) -> u64 {
        self.receive();
        self.buffer.level() as u64 + self.queue.level(self.next_quality())
    }

    pub(super) fn is_degraded(&mut self) -> bool {
        self.receive();
        self.next_quality() == Quality::Degraded
    }

    /// The buffer, with `wanted` bytes in it if there are as many, and their quality.
    pub(super) fn fill_to(&mut self, wanted: usize) -> (&mut Buffer, Quality) {
        while !self.try_fill_to(wanted) && self.queue.request_more() {}
        (&mut self.buffer, self.quality)
    }

    fn try_fill_to(&mut self, wanted: usize) -> bool {
        self.receive();
        while self.buffer.level() < wanted && self.refill() {}
        self.buffer.level() >= wanted
    }

    pub(super) fn clear(&mut self) {
        self.buffer.consume(self.buffer.level());
        self.queue.clear();
    }

    /// Moves the promised bytes of another queue here, before any of this one's. They are of this queue's first epoch: a
    /// source that failed since has begun another.
    pub(super) fn take_over(&mut self, replaced: &mut Self) {
        debug_assert_eq!(self.buffer.level(), 0, "nothing was drawn yet");
        replaced.receive();
        if replaced.next_quality() != Quality::Promised {
            return;
        }
        let waiting = usize::try_from(replaced.waiting()).unwrap_or(usize::MAX);
        let Ok(mut buffer) = Buffer::with_capacity(waiting.clamp(CAPACITY, MOST_TAKEN_OVER)) else { return };
        buffer.append(&mut replaced.buffer);
        while replaced.queue.front().is_some_and(|(quality, _)| quality == Quality::Promised)
            && buffer.fill_with(|space| Ok(replaced.queue.read(space))).is_ok_and(|count| count > 0)
        {}
        (self.buffer, self.quality, self.epoch) = (buffer, Quality::Promised, 0);
    }

    fn next_quality(&self) -> Quality {
        match self.queue.front() {
            Some((quality, _)) if self.buffer.level() == 0 => quality,
            _ => self.quality,
        }
    }

    /// Takes in what was sent, and drops what is void.
    fn receive(&mut self) {
        self.queue.receive();
        if self.epoch < self.queue.epoch() {
            self.buffer.consume(self.buffer.level());
            (self.quality, self.epoch) = (Quality::Promised, self.queue.epoch());
        }
    }

    /// Moves bytes into the buffer; false if the queue has none of the same quality.
    fn refill(&mut self) -> bool {
        let Some((quality, epoch)) = self.queue.front() else { return false };
        if self.buffer.level() == 0 {
            (self.quality, self.epoch) = (quality, epoch);
        } else if self.quality != quality {
            return false;
        }
        let Self { buffer, queue, .. } = self;
        buffer.fill_with(|space| Ok(queue.read(space))).is_ok_and(|count| count > 0)
    }
}
