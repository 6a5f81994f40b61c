//! The state that both ends of the queue share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::buffer::Buffer;
use crate::waker::EngineWaker;

/// How many buffers circulate.
pub(super) const BLOCKS: usize = 4;
/// Bytes of each.
pub(super) const BLOCK: usize = 2048;

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
    pub(super) bytes: Buffer,
    pub(super) quality: Quality,
    pub(super) epoch: u64,
}

impl Block {
    /// Whether all of `next` fits behind these bytes and may be served with them.
    pub(super) fn can_append(&self, next: &Self) -> bool {
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
    pub(super) wants_more: AtomicBool,
    /// The consumer is gone, or the engine is to end.
    stop: AtomicBool,
    pub(super) engine: Arc<EngineWaker>,
}

impl QueueControl {
    pub(super) fn new(engine: Arc<EngineWaker>) -> Self {
        Self {
            epoch: AtomicU64::new(0),
            wants_more: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            engine,
        }
    }

    /// Voids all bytes made so far: none of them is served.
    pub(crate) fn void(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) fn wake_engine(&self) {
        self.engine.wake();
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.engine.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
