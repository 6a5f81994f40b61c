//! The thread that waits for the disk, so that nothing else does.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use htb::Tick;

use super::disk::Disk;
use super::double_buffer::Checkpoint;
use super::save_error::SaveError;
use super::state::CheckpointState;
use super::write_scheduler::{WriteAction, WriteScheduler};

/// What is new is in memory only, and a restart would not know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a message, and what would help.
    pub message: String,
}

impl From<&SaveError> for WriteFailure {
    fn from(error: &SaveError) -> Self {
        let message = format!(
            "{error}; serving goes on, and a restart would not know of what is new: {}",
            error.remedy()
        );
        Self { reason: error.reason(), message }
    }
}

/// How the disk of a [`Writer`] is, also after that has ended.
#[derive(Clone, Debug)]
pub struct WriteCondition(Arc<Shared>);

impl WriteCondition {
    /// Why the last write failed; `None` while writes succeed.
    pub fn unwritable(&self) -> Option<WriteFailure> {
        self.0.desk().unwritable.clone()
    }
}

/// Keeps a checkpoint up to date. Dropped, it writes what is new and ends.
#[derive(Debug)]
pub struct CheckpointWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Pending>,
    bell: Condvar,
}

#[derive(Debug)]
struct Pending {
    saver: WriteScheduler,
    unwritable: Option<WriteFailure>,
    ending: bool,
}

impl CheckpointWriter {
    /// Starts from the state that was loaded. `clock` is monotonic.
    pub fn start<D: Disk>(
        checkpoint: Checkpoint<D>,
        loaded: CheckpointState,
        clock: impl Fn() -> Tick + Send + 'static,
    ) -> io::Result<Self> {
        let desk = Pending { saver: WriteScheduler::new(loaded), unwritable: None, ending: false };
        let shared = Arc::new(Shared { desk: Mutex::new(desk), bell: Condvar::new() });
        let thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(checkpoint, &thread, clock))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// This is how things are now. Never waits for the disk.
    pub fn note(&self, state: CheckpointState) {
        self.shared.desk().saver.note(state);
        self.shared.bell.notify_one();
    }

    /// How the disk is, for whoever wants to know it now and then.
    pub fn condition(&self) -> WriteCondition {
        WriteCondition(Arc::clone(&self.shared))
    }

    /// Writes what is new, once, and ends. Waits for the disk; says why what is new is not on it.
    pub fn stop(mut self) -> Option<WriteFailure> {
        self.end();
        self.condition().unwritable()
    }

    fn end(&mut self) {
        self.shared.desk().ending = true;
        self.shared.bell.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpoint's thread had panicked");
        }
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Pending> {
        // Nothing in there is ever half changed.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is to be written; at the end there may be nothing.
    fn next(&self, clock: &impl Fn() -> Tick) -> Option<Arc<CheckpointState>> {
        let mut desk = self.desk();
        loop {
            if desk.ending {
                return desk.saver.unsaved();
            }
            let now = clock();
            desk = match desk.saver.next_action(now) {
                WriteAction::Write(state) => return Some(state),
                WriteAction::WaitUntil(due) => {
                    let wait = Duration::from_nanos(due.since(now));
                    self.bell.wait_timeout(desk, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                WriteAction::Nothing => self.bell.wait(desk).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn run<D: Disk>(mut checkpoint: Checkpoint<D>, shared: &Shared, clock: impl Fn() -> Tick) {
    while let Some(state) = shared.next(&clock) {
        let result = checkpoint.save(&state);
        let mut desk = shared.desk();
        let unwritable = match result {
            Ok(saved) => {
                tracing::debug!(generation = saved.generation, length = saved.length, "checkpoint written");
                desk.saver.wrote(state, clock());
                None
            }
            Err(error) => {
                desk.saver.failed(clock());
                Some(WriteFailure::from(&error))
            }
        };
        desk.turn(unwritable);
        if desk.ending && desk.unwritable.is_some() {
            return;
        }
    }
}

impl Pending {
    /// Says it once when the condition changes, not with every try.
    fn turn(&mut self, unwritable: Option<WriteFailure>) {
        match (&self.unwritable, &unwritable) {
            (Some(_), None) => tracing::info!("the checkpoint can be written again"),
            (Some(before), Some(now)) if before.reason == now.reason => {}
            (_, Some(WriteFailure { reason, message })) => {
                tracing::warn!(reason, error = message, "the checkpoint cannot be written");
            }
            (None, None) => {}
        }
        self.unwritable = unwritable;
    }
}
