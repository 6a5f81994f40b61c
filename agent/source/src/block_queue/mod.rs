//! The queue of bytes from a pool's engine to the event loop.
//!
//! A fixed number of buffers in locked memory circulates: the engine fills them, the event loop empties and wipes them
//! and returns them. Nothing grows, nothing waits for a lock, and a returned buffer is the demand for more.

mod consumer;
mod producer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;

use crate::buffer::Buffer;
use crate::memory::MapError;
use crate::waker::EngineWaker;

/// How many buffers circulate.
const BLOCKS: usize = 4;
/// Bytes of each.
const BLOCK: usize = 2048;

/// Called when bytes arrive that the event loop waits for.
pub(crate) type Waker = Box<dyn Fn() + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// What the pool promises.
    Promised,
    /// Less, for classes that accept it.
    Degraded,
}

/// Bytes of one quality and one epoch.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Buffer,
    quality: Quality,
    epoch: u64,
}

impl Block {
    /// Whether all of `next` fits behind these bytes and may be served with them.
    fn can_append(&self, next: &Self) -> bool {
        let room = self.bytes.capacity() - self.bytes.level();
        (self.quality, self.epoch) == (next.quality, next.epoch) && next.bytes.level() <= room
    }
}

/// State that both ends see at once.
#[derive(Debug)]
pub(crate) struct QueueControl {
    /// Blocks started before this epoch are not served.
    epoch: AtomicU64,
    /// The event loop has less than it may need.
    wants_more: AtomicBool,
    /// The consumer is gone, or the engine is to end.
    stop: AtomicBool,
    engine: Arc<EngineWaker>,
}

impl QueueControl {
    /// Voids all bytes made so far: none of them is served.
    pub(crate) fn void(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.engine.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Both ends of a new queue. The consumer wakes the producer through `engine`, the producer the consumer through `waker`.
pub(crate) fn block_queue(engine: Arc<EngineWaker>, waker: Waker) -> Result<(Producer, Consumer), MapError> {
    // Never full: each channel has room for all buffers there are.
    let (filled, received) = sync_channel(BLOCKS);
    let (empty, returned) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        let sent = empty.try_send(Buffer::with_capacity(BLOCK)?);
        debug_assert!(sent.is_ok(), "room for all");
    }
    let control = Arc::new(QueueControl {
        epoch: AtomicU64::new(0),
        wants_more: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        engine,
    });
    let producer = Producer::new(filled, returned, Arc::clone(&control), waker);
    Ok((producer, Consumer::new(received, empty, control)))
}

#[cfg(test)]
mod tests;
