//! The event loop's end of the queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::control::{BLOCKS, Block, Quality, QueueControl};
use crate::buffer::Buffer;

/// The end from which the event loop takes its bytes. Never waits.
#[derive(Debug)]
pub(crate) struct Consumer {
    filled: Receiver<Block>,
    empty: SyncSender<Buffer>,
    control: Arc<QueueControl>,
    /// Received blocks, oldest first; never more than there are buffers.
    received: VecDeque<Block>,
}

impl Consumer {
    pub(super) fn new(
        filled: Receiver<Block>,
        empty: SyncSender<Buffer>,
        control: Arc<QueueControl>,
    ) -> Self {
        Self { filled, empty, control, received: VecDeque::with_capacity(BLOCKS) }
    }

    /// Blocks of an older epoch are void.
    pub(crate) fn epoch(&self) -> u64 {
        self.control.epoch()
    }

    /// Takes in the blocks that were sent, and drops void ones.
    pub(crate) fn receive(&mut self) {
        while let Ok(block) = self.filled.try_recv() {
            self.append(block);
        }
        let epoch = self.epoch();
        while let Some(void) = self.received.pop_front_if(|block| block.epoch < epoch) {
            self.recycle(void);
        }
    }

    /// A slow source's bytes come a few at a time, and the event loop may wait for more before it takes any. They are
    /// merged: if every buffer were here with a few bytes, the engine would have none left to fill.
    fn append(&mut self, mut block: Block) {
        let last = self.received.back_mut().filter(|last| last.can_append(&block));
        let Some(last) = last else { return self.received.push_back(block) };
        last.bytes.append(&mut block.bytes);
        self.recycle(block);
    }

    /// The quality and epoch of the next bytes.
    pub(crate) fn front(&self) -> Option<(Quality, u64)> {
        self.received.front().map(|block| (block.quality, block.epoch))
    }

    /// How many of the next bytes are of this quality.
    pub(crate) fn level(&self, quality: Quality) -> u64 {
        self.received
            .iter()
            .take_while(|block| block.quality == quality)
            .map(|block| block.bytes.level() as u64)
            .sum()
    }

    /// Moves bytes of the oldest block to the front of `space`.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> usize {
        let Some(block) = self.received.front_mut() else { return 0 };
        let chunk = block.bytes.chunk();
        let count = chunk.len().min(space.len());
        space[..count].copy_from_slice(&chunk[..count]);
        block.bytes.consume(count);
        if let Some(empty) = self.received.pop_front_if(|block| block.bytes.level() == 0) {
            self.recycle(empty);
        }
        count
    }

    /// Asks the engine for more. False if a request is already pending; if true, check for bytes again.
    pub(crate) fn request_more(&self) -> bool {
        let is_pending = self.control.wants_more.swap(true, Ordering::SeqCst);
        if !is_pending {
            self.control.engine.wake();
        }
        !is_pending
    }

    /// Wipes all bytes in the queue.
    pub(crate) fn clear(&mut self) {
        self.receive();
        while let Some(block) = self.received.pop_front() {
            self.recycle(block);
        }
    }

    fn recycle(&self, mut block: Block) {
        block.bytes.consume(block.bytes.level());
        // Fails when the engine is gone; then the buffer is dropped and wiped.
        let _ = self.empty.try_send(block.bytes);
        self.control.engine.wake();
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.control.stop();
    }
}
