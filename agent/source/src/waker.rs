//! Wakers of the crate's threads, and how its locks are taken.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use rustix::event::{EventfdFlags, eventfd};

/// Wakes an engine's thread, which parks. A wake before the thread is registered is not lost: it works before it first
/// parks.
#[derive(Debug, Default)]
pub(crate) struct EngineWaker(OnceLock<Thread>);

impl EngineWaker {
    /// Called once, by the thread to be woken.
    pub(crate) fn register_current_thread(&self) {
        let _ = self.0.set(std::thread::current());
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// Interrupts a sampler's `poll(2)`. Several wakes before it is cleared count as one.
#[derive(Clone, Debug)]
pub(crate) struct SamplerWaker(Arc<OwnedFd>);

impl SamplerWaker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(crate) fn wake(&self) {
        // Fails only when the counter is full, and then a wake is pending anyway.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn clear(&self) {
        // Fails when no wake is pending.
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for SamplerWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Locks even after a holder panicked: the data that this crate's locks guard is consistent after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
