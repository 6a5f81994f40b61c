//! The thread that writes the checkpoint, so that nothing else waits for the disk.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use htb::Tick;

use super::disk::Disk;
use super::double_buffer::Checkpoint;
use super::error::SaveError;
use super::state::CheckpointState;
use super::write_scheduler::{WriteAction, WriteScheduler};

/// The last write failed: a restart loses the changes since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    pub reason: &'static str,
    /// The error, its effect and its remedy.
    pub message: String,
}

impl From<&SaveError> for WriteFailure {
    fn from(error: &SaveError) -> Self {
        let message =
            format!("{error}; serving continues, but a restart loses the changes since: {}", error.remedy());
        Self { reason: error.reason(), message }
    }
}

/// The condition of a [`CheckpointWriter`], also after it has ended.
#[derive(Clone, Debug)]
pub struct WriteCondition(Arc<WriterShared>);

impl WriteCondition {
    /// Why the last write failed. `None` while writes succeed.
    pub fn unwritable(&self) -> Option<WriteFailure> {
        self.0.pending().unwritable.clone()
    }
}

/// Keeps a checkpoint up to date. When it is dropped, it writes the last changes and ends.
#[derive(Debug)]
pub struct CheckpointWriter {
    shared: Arc<WriterShared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct WriterShared {
    pending: Mutex<PendingWrite>,
    changed: Condvar,
}

#[derive(Debug)]
struct PendingWrite {
    scheduler: WriteScheduler,
    unwritable: Option<WriteFailure>,
    stopping: bool,
}

impl CheckpointWriter {
    /// Starts from the state that was loaded. `clock` must be monotonic.
    pub fn start<D: Disk>(
        checkpoint: Checkpoint<D>,
        loaded: CheckpointState,
        clock: impl Fn() -> Tick + Send + 'static,
    ) -> io::Result<Self> {
        let pending =
            PendingWrite { scheduler: WriteScheduler::new(loaded), unwritable: None, stopping: false };
        let shared = Arc::new(WriterShared { pending: Mutex::new(pending), changed: Condvar::new() });
        let thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(checkpoint, &thread, clock))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sets the state to be written. Never waits for the disk.
    pub fn set_state(&self, state: CheckpointState) {
        self.shared.pending().scheduler.set_state(state);
        self.shared.changed.notify_one();
    }

    pub fn condition(&self) -> WriteCondition {
        WriteCondition(Arc::clone(&self.shared))
    }

    /// Tries once to write the last changes, and ends. Waits for the disk. Returns why they could not be written.
    pub fn stop(mut self) -> Option<WriteFailure> {
        self.end();
        self.condition().unwritable()
    }

    fn end(&mut self) {
        self.shared.pending().stopping = true;
        self.shared.changed.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        self.end();
    }
}

impl WriterShared {
    fn pending(&self) -> MutexGuard<'_, PendingWrite> {
        // No method leaves it in an inconsistent state.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a state to be written. `None` at the end.
    fn next(&self, clock: &impl Fn() -> Tick) -> Option<Arc<CheckpointState>> {
        let mut pending = self.pending();
        loop {
            if pending.stopping {
                return pending.scheduler.unsaved();
            }
            let now = clock();
            pending = match pending.scheduler.next_action(now) {
                WriteAction::Write(state) => return Some(state),
                WriteAction::WaitUntil(due) => {
                    let wait = Duration::from_nanos(due.since(now));
                    self.changed.wait_timeout(pending, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                WriteAction::Idle => self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn run<D: Disk>(mut checkpoint: Checkpoint<D>, shared: &WriterShared, clock: impl Fn() -> Tick) {
    while let Some(state) = shared.next(&clock) {
        let result = checkpoint.save(&state);
        let mut pending = shared.pending();
        let unwritable = match result {
            Ok(saved) => {
                tracing::debug!(generation = saved.generation, length = saved.length, "checkpoint written");
                pending.scheduler.written(state, clock());
                None
            }
            Err(error) => {
                pending.scheduler.failed(clock());
                Some(WriteFailure::from(&error))
            }
        };
        pending.set_unwritable(unwritable);
        if pending.stopping && pending.unwritable.is_some() {
            return;
        }
    }
}

impl PendingWrite {
    /// Logs a changed condition once, not at every retry.
    fn set_unwritable(&mut self, unwritable: Option<WriteFailure>) {
        match (&self.unwritable, &unwritable) {
            (Some(_), None) => tracing::info!("checkpoint writable again"),
            (Some(before), Some(now)) if before.reason == now.reason => {}
            (_, Some(WriteFailure { reason, message })) => {
                tracing::warn!(reason, error = message, "failed to write checkpoint");
            }
            (None, None) => {}
        }
        self.unwritable = unwritable;
    }
}
