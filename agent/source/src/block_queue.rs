//! The way of conditioned bytes from a pool's engine to the event loop.
//!
//! A fixed number of buffers in locked memory goes round: filled by the engine, emptied and wiped by the loop, and
//! back. So nothing grows, nobody waits for a lock, and an empty buffer that comes back is the demand for more.

mod block;
mod consumer;
mod producer;

pub(crate) use block::{Block, Quality};
pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use crate::buffer::Buffer;
use crate::memory::MapMemory;
use crate::waker::EngineWaker;

/// How many buffers go round.
const BLOCKS: usize = 4;
/// Bytes of each.
const BLOCK: usize = 2048;

/// Called when bytes came while somebody waits for them.
pub(crate) type Waker = Box<dyn Fn() + Send>;

/// What both ends see at once.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Blocks begun before this are not to be served any more.
    epoch: AtomicU64,
    /// The loop has less than it may need.
    hungry: AtomicBool,
    /// The loop's end is gone, or the engine's work is over.
    stop: AtomicBool,
    engine: Arc<EngineWaker>,
}

impl Shared {
    /// Nothing that was made so far is served any more.
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

/// Both ends of a new pipe. `engine` wakes whoever fills it, `waker` whoever empties it.
pub(crate) fn pipe(engine: Arc<EngineWaker>, waker: Waker) -> Result<(Consumer, Producer), MapMemory> {
    // Never full: each channel has room for all buffers there are.
    let (full, filled) = sync_channel(BLOCKS);
    let (empty, emptied) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        let sent = empty.try_send(Buffer::with_capacity(BLOCK)?);
        debug_assert!(sent.is_ok(), "room for all");
    }
    let shared = Shared {
        epoch: AtomicU64::new(0),
        hungry: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        engine,
    };
    let shared = Arc::new(shared);
    Ok((Consumer::new(full, emptied, Arc::clone(&shared), waker), Producer::new(filled, empty, shared)))
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
