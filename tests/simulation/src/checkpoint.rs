//! The checkpoint of the agent, on a disk that fails.

use std::sync::Arc;

use agent::testing::checkpoint::{Checkpoint, CheckpointState, WriteAction, WriteScheduler};
use htb::Tick;

use crate::disk::Model;
use crate::violation::Check;

/// What is on the disk, and what may be.
#[derive(Debug)]
pub(crate) struct SimulatedCheckpoint {
    pub(crate) disk: Model,
    checkpoint: Checkpoint<Model>,
    scheduler: WriteScheduler,
    /// When to ask it again.
    due: Option<Tick>,
    /// Every state that was to be saved since the one that surely is, which is the first.
    noted: Vec<CheckpointState>,
}

impl SimulatedCheckpoint {
    pub(crate) fn new(disk: Model) -> Self {
        let (checkpoint, loaded) = Checkpoint::open(disk.clone());
        let noted = vec![loaded.state.clone()];
        Self { disk, checkpoint, scheduler: WriteScheduler::new(loaded.state), due: None, noted }
    }

    /// This is how things are now.
    pub(crate) fn note(&mut self, state: CheckpointState) {
        self.noted.push(state.clone());
        self.scheduler.set_state(state);
        self.due = Some(Tick(0));
    }

    /// Writes what is due; whether the process died of it.
    pub(crate) fn step(&mut self, now: Tick) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let WriteAction::Write(state) = self.scheduler.next_action(now) else {
            self.due = self.wait(now);
            return false;
        };
        self.write(state, now);
        self.disk.world().dead
    }

    fn write(&mut self, state: Arc<CheckpointState>, now: Tick) {
        match self.checkpoint.save(&state) {
            Ok(_) => {
                let at = self.noted.iter().rposition(|noted| *noted == *state).unwrap_or(0);
                self.noted.drain(..at);
                self.scheduler.written(state, now);
            }
            Err(_) => self.scheduler.failed(now),
        }
        self.due = self.wait(now);
    }

    /// Writes what is not on the disk, however soon that is; whether all is there then.
    pub(crate) fn conclude(&mut self, now: Tick) -> bool {
        if let Some(state) = self.scheduler.unsaved() {
            self.write(state, now);
        }
        self.is_settled()
    }

    /// Whether what is wanted is on the disk.
    pub(crate) fn is_settled(&self) -> bool {
        self.scheduler.unsaved().is_none()
    }

    pub(crate) fn next(&self) -> Option<Tick> {
        self.due
    }

    fn wait(&self, now: Tick) -> Option<Tick> {
        match self.scheduler.next_action(now) {
            WriteAction::WaitUntil(due) => Some(due),
            WriteAction::Write(_) => Some(now),
            WriteAction::Idle => None,
        }
    }

    /// A new process reads what the one before it left.
    pub(crate) fn reopen(&mut self) -> Result<Arc<CheckpointState>, Check> {
        let (checkpoint, loaded) = Checkpoint::open(self.disk.clone());
        let Some(at) = self.noted.iter().rposition(|noted| *noted == loaded.state) else {
            return Err(("P5", format!("what was loaded is no state that was saved: {:?}", loaded.warnings)));
        };
        self.noted.drain(..at);
        self.noted.truncate(1);
        (self.scheduler, self.due) = (WriteScheduler::new(loaded.state.clone()), None);
        self.checkpoint = checkpoint;
        Ok(Arc::new(loaded.state))
    }
}
