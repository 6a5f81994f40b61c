//! The engine's end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::{BLOCKS, Block, Quality, Shared, Waker};
use crate::buffer::Buffer;

/// Where an engine puts its bytes.
pub(crate) struct Consumer {
    full: SyncSender<Block>,
    empty: Receiver<Buffer>,
    shared: Arc<Shared>,
    waker: Waker,
    /// The block that is being filled.
    current: Option<Block>,
    /// Of the bytes that are made.
    epoch: u64,
    /// Buffers that wait to be filled.
    spare: Vec<Buffer>,
}

impl Consumer {
    pub(super) fn new(
        full: SyncSender<Block>,
        empty: Receiver<Buffer>,
        shared: Arc<Shared>,
        waker: Waker,
    ) -> Self {
        Self { full, empty, shared, waker, current: None, epoch: 0, spare: Vec::with_capacity(BLOCKS) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What is made from here on is of this moment, and void if somebody voids all after it.
    pub(crate) fn begin(&mut self) {
        self.epoch = self.shared.epoch();
    }

    /// Nothing that was made so far is served any more. The loop is woken for it: all buffers may be on its side.
    pub(crate) fn void(&mut self) {
        self.shared.void();
        self.begin();
        (self.waker)();
    }

    /// Whether there is room for bytes.
    pub(crate) fn has_room(&mut self) -> bool {
        self.collect();
        self.current.as_ref().is_some_and(|block| block.bytes.level() < block.bytes.capacity())
    }

    /// Offers room to `make`, as long as there is some and it gives bytes. How many that were.
    pub(crate) fn fill(
        &mut self,
        grade: Quality,
        mut make: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<u64> {
        let mut total = 0;
        // What is void already need not be made.
        while self.epoch == self.shared.epoch() && self.has_room() {
            let epoch = self.epoch;
            let Some(block) = &mut self.current else { break };
            if block.bytes.level() == 0 {
                (block.grade, block.epoch) = (grade, epoch);
            } else if (block.grade, block.epoch) != (grade, epoch) {
                self.ship();
                continue;
            }
            let filled = block.bytes.fill_with(&mut make);
            if self.is_full() {
                self.ship();
            }
            match filled? {
                0 => break,
                count => total += count as u64,
            }
        }
        self.ship_what_is_waited_for();
        Ok(total)
    }

    fn is_full(&self) -> bool {
        // What is left may be too short for a block of the conditioner.
        let left = |block: &Block| block.bytes.capacity() - block.bytes.level();
        self.current.as_ref().is_some_and(|block| left(block) < crate::condition::OUTPUT)
    }

    /// A slow source's bytes go out by the few; nobody waits until there are many.
    fn ship_what_is_waited_for(&mut self) {
        let is_nothing_under_way = self.spare.len() + 1 == BLOCKS;
        if is_nothing_under_way || self.shared.hungry.load(Ordering::SeqCst) {
            self.ship();
        }
    }

    fn ship(&mut self) {
        let Some(mut block) = self.current.take_if(|block| block.bytes.level() > 0) else { return };
        if block.epoch < self.shared.epoch() {
            block.bytes.consume(block.bytes.level());
            self.current = Some(block);
            return;
        }
        // It fails when the loop's end is gone, and then the block goes too, wiped.
        let _ = self.full.try_send(block);
        // Only now: the loop first says that it is hungry and then looks once more.
        if self.shared.hungry.swap(false, Ordering::SeqCst) {
            (self.waker)();
        }
    }

    fn collect(&mut self) {
        self.spare.extend(self.empty.try_iter());
        if self.current.is_none() {
            let block = |bytes| Block { bytes, grade: Quality::Promised, epoch: 0 };
            self.current = self.spare.pop().map(block);
        }
    }
}
