//! When a state is written: a state machine without a clock, a thread or a disk.
//!
//! There is no write without a change. A change of the attached VMs is written at once, since the call that attached a VM
//! is not repeated; other changes are written at most once a second. The served totals change all the time, and losing a
//! minute of them does no harm: alone they are written once a minute, so as not to wear out the disk of a busy host. After
//! a failure the scheduler backs off, and retries for ever.

use std::sync::Arc;

use clock::{Exponential, Span, Tick};

use super::state::CheckpointState;

const SECOND: u64 = 1_000_000_000;
/// The interval between two writes.
const INTERVAL: u64 = SECOND;
/// The interval before a write because a VM was attached, moved or detached.
const VMS_INTERVAL: u64 = SECOND / 50;
/// The interval between two writes that differ only in the served totals.
const TOTALS_INTERVAL: u64 = 60 * SECOND;
/// The waits after a failure.
const RETRIES: Exponential = Exponential { first: Span(INTERVAL), longest: Span::seconds(60) };

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteAction {
    /// Write this, then call [`WriteScheduler::written`] or [`WriteScheduler::failed`].
    Write(Arc<CheckpointState>),
    /// Do nothing before then, unless the state changes.
    WaitUntil(Tick),
    /// The current state is on disk.
    Idle,
}

/// Decides when the current state is written.
#[derive(Debug)]
pub struct WriteScheduler {
    /// The state on disk. `None` after a failure, which may have written any of the states since.
    saved: Option<Arc<CheckpointState>>,
    current: Arc<CheckpointState>,
    /// The earliest next write.
    next: Tick,
    /// The same because of changed VMs.
    next_for_vms: Tick,
    /// The same because of the totals alone.
    next_for_totals: Tick,
    failures: u32,
}

impl WriteScheduler {
    /// Starts with the state that is on disk.
    pub fn new(saved: CheckpointState) -> Self {
        let saved = Arc::new(saved);
        Self {
            current: Arc::clone(&saved),
            saved: Some(saved),
            next: Tick::default(),
            next_for_vms: Tick::default(),
            next_for_totals: Tick::default(),
            failures: 0,
        }
    }

    /// Sets the current state. Intermediate states are never written.
    pub fn set_state(&mut self, state: CheckpointState) {
        self.current = Arc::new(state);
    }

    /// What to do at `now`.
    pub fn next_action(&self, now: Tick) -> WriteAction {
        match self.due() {
            None => WriteAction::Idle,
            Some(due) if now < due => WriteAction::WaitUntil(due),
            Some(_) => WriteAction::Write(Arc::clone(&self.current)),
        }
    }

    /// The current state unless it is on disk, regardless of intervals: for the last write.
    pub fn unsaved(&self) -> Option<Arc<CheckpointState>> {
        self.due().map(|_| Arc::clone(&self.current))
    }

    /// `state` is on disk.
    pub fn written(&mut self, state: Arc<CheckpointState>, now: Tick) {
        self.saved = Some(state);
        self.failures = 0;
        self.next = now.after(INTERVAL);
        self.next_for_vms = now.after(VMS_INTERVAL);
        self.next_for_totals = now.after(TOTALS_INTERVAL);
    }

    /// A write failed.
    pub fn failed(&mut self, now: Tick) {
        self.saved = None;
        self.next = now + RETRIES.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    fn due(&self) -> Option<Tick> {
        match &self.saved {
            Some(saved) if *saved == self.current => None,
            Some(saved) if saved.equals_but_for_totals(&self.current) => Some(self.next_for_totals),
            Some(saved) if saved.vms != self.current.vms => Some(self.next_for_vms),
            _ => Some(self.next),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::state::LastGood;
    use super::*;
    use crate::attachments::Attachment;

    fn vms(ids: &[&str]) -> CheckpointState {
        CheckpointState {
            vms: ids.iter().map(|id| ((*id).to_owned(), Attachment::default())).collect(),
            ..CheckpointState::default()
        }
    }

    fn with_config(encoding: u16) -> CheckpointState {
        CheckpointState {
            last_good: Some(LastGood { encoding, bytes: Vec::new() }),
            ..CheckpointState::default()
        }
    }

    fn with_totals(mut state: CheckpointState, bytes: u64) -> CheckpointState {
        state.served.vms.entry("a".to_owned()).or_default().bytes = bytes;
        state
    }

    fn at(seconds: u64) -> Tick {
        Tick(seconds * SECOND)
    }

    fn write(state: &CheckpointState) -> WriteAction {
        WriteAction::Write(Arc::new(state.clone()))
    }

    /// A scheduler that wrote `state` at `now`.
    fn written(state: &CheckpointState, now: Tick) -> WriteScheduler {
        let mut scheduler = WriteScheduler::new(CheckpointState::default());
        scheduler.written(Arc::new(state.clone()), now);
        scheduler.set_state(state.clone());
        scheduler
    }

    #[test]
    fn a_loaded_state_is_not_written_again() {
        let mut scheduler = WriteScheduler::new(vms(&["a"]));
        assert_eq!(scheduler.next_action(at(0)), WriteAction::Idle);
        scheduler.set_state(vms(&["a"]));
        assert_eq!(scheduler.next_action(at(5)), WriteAction::Idle);
        assert_eq!(scheduler.unsaved(), None);
    }

    #[test]
    fn a_change_after_the_interval_is_written_at_once() {
        let mut scheduler = WriteScheduler::new(CheckpointState::default());
        scheduler.set_state(vms(&["a"]));
        assert_eq!(scheduler.next_action(at(0)), write(&vms(&["a"])));
    }

    #[test]
    fn configurations_within_a_second_are_one_write_of_the_newest() {
        let mut scheduler = written(&with_config(1), at(10));
        scheduler.set_state(with_config(2));
        assert_eq!(scheduler.next_action(at(10)), WriteAction::WaitUntil(at(11)));
        scheduler.set_state(with_config(3));
        assert_eq!(scheduler.next_action(Tick(11 * SECOND - 1)), WriteAction::WaitUntil(at(11)));
        assert_eq!(scheduler.next_action(at(11)), write(&with_config(3)));
    }

    #[test]
    fn an_attached_vm_is_written_at_once_along_with_all_other_changes() {
        let mut scheduler = written(&with_config(1), at(10));
        scheduler.set_state(with_config(2));
        let both = CheckpointState { vms: vms(&["a"]).vms, ..with_config(2) };
        scheduler.set_state(both.clone());
        assert_eq!(scheduler.next_action(at(10)), WriteAction::WaitUntil(at(10).after(VMS_INTERVAL)));
        assert_eq!(scheduler.next_action(at(10).after(VMS_INTERVAL)), write(&both));
    }

    #[test]
    fn a_change_that_is_reverted_is_not_written() {
        let mut scheduler = written(&vms(&["a"]), at(10));
        scheduler.set_state(vms(&[]));
        scheduler.set_state(vms(&["a"]));
        assert_eq!(scheduler.next_action(at(20)), WriteAction::Idle);
    }

    #[test]
    fn a_change_during_a_write_is_written_after_it() {
        let mut scheduler = WriteScheduler::new(CheckpointState::default());
        scheduler.set_state(vms(&["a"]));
        let WriteAction::Write(first) = scheduler.next_action(at(0)) else { panic!("nothing to write") };
        scheduler.set_state(vms(&["a", "b"]));
        scheduler.written(first, at(3));
        assert_eq!(scheduler.next_action(at(3)), WriteAction::WaitUntil(at(3).after(VMS_INTERVAL)));
        assert_eq!(scheduler.next_action(at(4)), write(&vms(&["a", "b"])));
    }

    #[test]
    fn totals_alone_are_written_once_a_minute() {
        let mut scheduler = written(&vms(&["a"]), at(10));
        scheduler.set_state(with_totals(vms(&["a"]), 64));
        assert_eq!(scheduler.next_action(at(12)), WriteAction::WaitUntil(at(70)));
        assert_eq!(scheduler.next_action(at(70)), write(&with_totals(vms(&["a"]), 64)));
    }

    #[test]
    fn totals_are_written_along_with_any_other_change() {
        let mut scheduler = written(&vms(&["a"]), at(10));
        scheduler.set_state(with_totals(vms(&["a", "b"]), 64));
        assert_eq!(scheduler.next_action(at(11)), write(&with_totals(vms(&["a", "b"]), 64)));
    }

    #[test]
    fn a_failing_disk_is_retried_with_backoff_for_ever() {
        let mut scheduler = WriteScheduler::new(CheckpointState::default());
        scheduler.set_state(vms(&["a"]));
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            scheduler.failed(now);
            let WriteAction::WaitUntil(due) = scheduler.next_action(now) else { panic!("tried at once") };
            waits.push(due.since(now) / SECOND);
            now = due;
            assert_eq!(scheduler.next_action(now), write(&vms(&["a"])));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        scheduler.written(Arc::new(vms(&["a"])), now);
        scheduler.set_state(vms(&["b"]));
        assert_eq!(scheduler.next_action(now), WriteAction::WaitUntil(now.after(VMS_INTERVAL)));
    }

    #[test]
    fn changes_do_not_shorten_the_backoff() {
        let mut scheduler = WriteScheduler::new(CheckpointState::default());
        scheduler.set_state(vms(&["a"]));
        (0..4).for_each(|_| scheduler.failed(at(0)));
        scheduler.set_state(vms(&["b"]));
        assert_eq!(scheduler.next_action(at(1)), WriteAction::WaitUntil(at(8)));
    }

    #[test]
    fn after_a_failure_even_the_previous_state_is_written() {
        // The failed write may have reached the disk, so the reverted change must be written.
        let mut scheduler = written(&vms(&["a"]), at(10));
        scheduler.set_state(vms(&[]));
        scheduler.failed(at(12));
        scheduler.set_state(vms(&["a"]));
        assert_eq!(scheduler.next_action(at(13)), write(&vms(&["a"])));
    }

    #[test]
    fn the_last_write_does_not_wait() {
        let mut scheduler = written(&vms(&["a"]), at(10));
        scheduler.set_state(with_totals(vms(&["a"]), 64));
        assert_eq!(*scheduler.unsaved().unwrap(), with_totals(vms(&["a"]), 64));
    }
}
