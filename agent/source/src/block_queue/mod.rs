//! The queue of bytes from a pool's engine to the event loop.
//!
//! A fixed number of buffers in locked memory circulates: the engine fills them, the event loop empties and wipes them
//! and returns them. Nothing grows, nothing waits for a lock, and a returned buffer is the demand for more.

mod consumer;
mod control;
mod producer;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

pub(crate) use consumer::Consumer;
use control::{BLOCK, BLOCKS};
pub(crate) use control::{Quality, QueueControl, Waker};
pub(crate) use producer::Producer;

use crate::buffer::Buffer;
use crate::memory::MapError;
use crate::waker::EngineWaker;

/// Both ends of a new queue. The consumer wakes the producer through `engine`, the producer the consumer through `waker`.
pub(crate) fn block_queue(engine: Arc<EngineWaker>, waker: Waker) -> Result<(Producer, Consumer), MapError> {
    // Never full: each channel has room for all buffers there are.
    let (filled, received) = sync_channel(BLOCKS);
    let (empty, returned) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        let sent = empty.try_send(Buffer::with_capacity(BLOCK)?);
        debug_assert!(sent.is_ok(), "room for all");
    }
    let control = Arc::new(QueueControl::new(engine));
    let producer = Producer::new(filled, returned, Arc::clone(&control), waker);
    Ok((producer, Consumer::new(received, empty, control)))
}

#[cfg(test)]
mod tests;
