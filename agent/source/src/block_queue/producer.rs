//! The event loop's end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::{BLOCKS, Block, Quality, Shared};
use crate::buffer::Buffer;

/// Where the loop takes its bytes. Never waits.
#[derive(Debug)]
pub(crate) struct Producer {
    full: Receiver<Block>,
    empty: SyncSender<Buffer>,
    shared: Arc<Shared>,
    /// What has come, oldest first; never more than there are blocks.
    arrived: VecDeque<Block>,
}

impl Producer {
    pub(super) fn new(full: Receiver<Block>, empty: SyncSender<Buffer>, shared: Arc<Shared>) -> Self {
        Self { full, empty, shared, arrived: VecDeque::with_capacity(BLOCKS) }
    }

    /// Blocks of an older epoch are not to be served.
    pub(crate) fn epoch(&self) -> u64 {
        self.shared.epoch()
    }

    /// Takes in what has come, and drops what is void.
    pub(crate) fn look(&mut self) {
        while let Ok(block) = self.full.try_recv() {
            self.arrive(block);
        }
        let epoch = self.epoch();
        while let Some(void) = self.arrived.pop_front_if(|block| block.epoch < epoch) {
            self.give_back(void);
        }
    }

    /// A slow source's bytes come by the few, and the loop may wait for more of them before it takes any. So they are
    /// put together: were every buffer here with a few, the engine would have none to put more in.
    fn arrive(&mut self, mut block: Block) {
        let last = self.arrived.back_mut().filter(|last| last.goes_with(&block));
        let Some(last) = last else { return self.arrived.push_back(block) };
        last.bytes.take_over(&mut block.bytes);
        self.give_back(block);
    }

    /// The grade and epoch of the bytes that come next.
    pub(crate) fn next(&self) -> Option<(Quality, u64)> {
        self.arrived.front().map(|block| (block.grade, block.epoch))
    }

    /// How many bytes of this grade come next.
    pub(crate) fn level(&self, grade: Quality) -> u64 {
        self.arrived
            .iter()
            .take_while(|block| block.grade == grade)
            .map(|block| block.bytes.level() as u64)
            .sum()
    }

    /// Moves bytes of the oldest block to the front of `space`.
    pub(crate) fn take(&mut self, space: &mut [u8]) -> usize {
        let Some(block) = self.arrived.front_mut() else { return 0 };
        let chunk = block.bytes.chunk();
        let count = chunk.len().min(space.len());
        space[..count].copy_from_slice(&chunk[..count]);
        block.bytes.consume(count);
        if let Some(empty) = self.arrived.pop_front_if(|block| block.bytes.level() == 0) {
            self.give_back(empty);
        }
        count
    }

    /// Says that more is needed, if that was not said yet. True if it is worth looking once more.
    pub(crate) fn hunger(&self) -> bool {
        let said = self.shared.hungry.swap(true, Ordering::SeqCst);
        if !said {
            self.shared.engine.wake();
        }
        !said
    }

    /// Wipes all that has come.
    pub(crate) fn forget(&mut self) {
        self.look();
        while let Some(block) = self.arrived.pop_front() {
            self.give_back(block);
        }
    }

    fn give_back(&self, mut block: Block) {
        block.bytes.consume(block.bytes.level());
        // It fails when the engine is gone, and then the buffer goes too, wiped.
        let _ = self.empty.try_send(block.bytes);
        self.shared.engine.wake();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
