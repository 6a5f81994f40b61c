//! The engine's end of the queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::control::{BLOCKS, Block, Quality, QueueControl, Waker};
use crate::buffer::Buffer;

/// The end into which an engine puts its bytes.
pub(crate) struct Producer {
    filled: SyncSender<Block>,
    returned: Receiver<Buffer>,
    control: Arc<QueueControl>,
    waker: Waker,
    /// The block that is being filled.
    current: Option<Block>,
    /// Epoch of the bytes that are being made.
    epoch: u64,
    /// Buffers that wait to be filled.
    spare: Vec<Buffer>,
}

impl Producer {
    pub(super) fn new(
        filled: SyncSender<Block>,
        returned: Receiver<Buffer>,
        control: Arc<QueueControl>,
        waker: Waker,
    ) -> Self {
        let spare = Vec::with_capacity(BLOCKS);
        Self { filled, returned, control, waker, current: None, epoch: 0, spare }
    }

    pub(crate) fn control(&self) -> &Arc<QueueControl> {
        &self.control
    }

    /// Bytes made from here on are of the current epoch: a later [`QueueControl::void`] voids them.
    pub(crate) fn start_epoch(&mut self) {
        self.epoch = self.control.epoch();
    }

    /// Voids all bytes made so far. Wakes the event loop for it: all buffers may be on its side.
    pub(crate) fn void(&mut self) {
        self.control.void();
        self.start_epoch();
        (self.waker)();
    }

    pub(crate) fn has_room(&mut self) -> bool {
        self.reclaim();
        self.current.as_ref().is_some_and(|block| block.bytes.level() < block.bytes.capacity())
    }

    /// Calls `make` as long as there is room and it returns bytes; returns the number of bytes.
    pub(crate) fn fill(
        &mut self,
        quality: Quality,
        mut make: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<u64> {
        let mut total = 0;
        // Bytes of a void epoch need not be made.
        while self.epoch == self.control.epoch() && self.has_room() {
            let epoch = self.epoch;
            let Some(block) = &mut self.current else { break };
            if block.bytes.level() == 0 {
                (block.quality, block.epoch) = (quality, epoch);
            } else if (block.quality, block.epoch) != (quality, epoch) {
                self.send();
                continue;
            }
            let filled = block.bytes.fill_with(&mut make);
            if self.is_full() {
                self.send();
            }
            match filled? {
                0 => break,
                count => total += count as u64,
            }
        }
        self.send_if_awaited();
        Ok(total)
    }

    fn is_full(&self) -> bool {
        // What is left may be too short for a block of the conditioner.
        let left = |block: &Block| block.bytes.capacity() - block.bytes.level();
        self.current.as_ref().is_some_and(|block| left(block) < crate::condition::OUTPUT)
    }

    /// A slow source's bytes are sent a few at a time, rather than when a block is full.
    fn send_if_awaited(&mut self) {
        let is_queue_empty = self.spare.len() + 1 == BLOCKS;
        if is_queue_empty || self.control.wants_more.load(Ordering::SeqCst) {
            self.send();
        }
    }

    fn send(&mut self) {
        let Some(mut block) = self.current.take_if(|block| block.bytes.level() > 0) else { return };
        if block.epoch < self.control.epoch() {
            block.bytes.consume(block.bytes.level());
            self.current = Some(block);
            return;
        }
        // Fails when the consumer is gone; then the block is dropped and wiped.
        let _ = self.filled.try_send(block);
        // Only now: the consumer first sets the flag and then checks the queue again.
        if self.control.wants_more.swap(false, Ordering::SeqCst) {
            (self.waker)();
        }
    }

    /// Takes back the buffers that the consumer returned.
    fn reclaim(&mut self) {
        self.spare.extend(self.returned.try_iter());
        if self.current.is_none() {
            let block = |bytes| Block { bytes, quality: Quality::Promised, epoch: 0 };
            self.current = self.spare.pop().map(block);
        }
    }
}
