//! What threads do to each other: wake, and keep out.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

/// Wakes a thread that parks. A wake before the thread is known is not lost: it looks before it first parks.
#[derive(Debug, Default)]
pub(crate) struct EngineWaker(OnceLock<Thread>);

impl EngineWaker {
    /// Names the thread, which is this one; once.
    pub(crate) fn me(&self) {
        let _ = self.0.set(std::thread::current());
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// Locks, whatever became of another holder: what the locks of this crate guard is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
