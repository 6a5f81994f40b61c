//! When a state is written: a machine without a clock, a thread or a disk.
//!
//! No write without a change. Who is served is written at once, since a VM that a crash forgets has nobody to ask; what
//! else changes, at most once a second. What was served changes all the time and nobody is hurt
//! by a minute of it: for that alone there is a write a minute, or a busy host would wear its disk out. After a
//! failure it waits longer each time, for as long as it takes.

use std::sync::Arc;

use clock::{Exponential, Span, Tick};

use super::state::CheckpointState;

const SECOND: u64 = 1_000_000_000;
/// Between two writes.
const PAUSE: u64 = SECOND;
/// Between a write and one of a VM that has come, moved or gone.
const SOON: u64 = SECOND / 50;
/// Between two writes that differ in nothing but what was served.
const COUNTERS: u64 = 60 * SECOND;
/// The waits after a failure.
const RETRIES: Exponential = Exponential { first: Span(PAUSE), longest: Span::seconds(60) };

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteAction {
    /// Write this, then say how it went.
    Write(Arc<CheckpointState>),
    /// Nothing before then, unless something new is noted.
    WaitUntil(Tick),
    /// What is wanted is on disk.
    Nothing,
}

/// What is on disk, what should be, and since when not.
#[derive(Debug)]
pub struct WriteScheduler {
    /// `None` after a failure: any of the states since may be there.
    saved: Option<Arc<CheckpointState>>,
    wanted: Arc<CheckpointState>,
    /// No write before.
    earliest: Tick,
    /// No write of other VMs before.
    soon: Tick,
    /// No write for counters alone before.
    counters: Tick,
    failures: u32,
}

impl WriteScheduler {
    /// Begins with the state that is on disk.
    pub fn new(saved: CheckpointState) -> Self {
        let saved = Arc::new(saved);
        let start = Tick::default();
        let (earliest, soon, counters) = (start, start, start);
        Self { wanted: Arc::clone(&saved), saved: Some(saved), earliest, soon, counters, failures: 0 }
    }

    /// This is how things are now. Only the newest is ever written.
    pub fn note(&mut self, state: CheckpointState) {
        self.wanted = Arc::new(state);
    }

    /// What to do at `now`.
    pub fn next_action(&self, now: Tick) -> WriteAction {
        match self.due() {
            None => WriteAction::Nothing,
            Some(due) if now < due => WriteAction::WaitUntil(due),
            Some(_) => WriteAction::Write(Arc::clone(&self.wanted)),
        }
    }

    /// What should be on disk and is not, however soon that is after the last write: for the end.
    pub fn unsaved(&self) -> Option<Arc<CheckpointState>> {
        self.due().map(|_| Arc::clone(&self.wanted))
    }

    /// `state` is on disk.
    pub fn wrote(&mut self, state: Arc<CheckpointState>, now: Tick) {
        self.saved = Some(state);
        self.failures = 0;
        self.earliest = now.after(PAUSE);
        self.soon = now.after(SOON);
        self.counters = now.after(COUNTERS);
    }

    /// A write failed.
    pub fn failed(&mut self, now: Tick) {
        self.saved = None;
        self.earliest = now + RETRIES.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    fn due(&self) -> Option<Tick> {
        match &self.saved {
            Some(saved) if *saved == self.wanted => None,
            Some(saved) if saved.serves_as(&self.wanted) => Some(self.counters),
            Some(saved) if saved.vms != self.wanted.vms => Some(self.soon),
            _ => Some(self.earliest),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::state::{LastGood, SavedVm};
    use super::*;

    fn vms(ids: &[&str]) -> CheckpointState {
        CheckpointState {
            vms: ids.iter().map(|id| ((*id).to_owned(), SavedVm::default())).collect(),
            ..CheckpointState::default()
        }
    }

    fn sent(encoding: u16) -> CheckpointState {
        CheckpointState {
            last_good: Some(LastGood { encoding, bytes: Vec::new() }),
            ..CheckpointState::default()
        }
    }

    fn counted(mut state: CheckpointState, bytes: u64) -> CheckpointState {
        state.served.vms.insert("a".to_owned(), bytes);
        state
    }

    fn at(seconds: u64) -> Tick {
        Tick(seconds * SECOND)
    }

    fn write(state: &CheckpointState) -> WriteAction {
        WriteAction::Write(Arc::new(state.clone()))
    }

    /// A machine that wrote `state` at `now`.
    fn wrote(state: &CheckpointState, now: Tick) -> WriteScheduler {
        let mut saver = WriteScheduler::new(CheckpointState::default());
        saver.wrote(Arc::new(state.clone()), now);
        saver.note(state.clone());
        saver
    }

    #[test]
    fn what_was_loaded_is_not_written_again() {
        let mut saver = WriteScheduler::new(vms(&["a"]));
        assert_eq!(saver.next_action(at(0)), WriteAction::Nothing);
        saver.note(vms(&["a"]));
        assert_eq!(saver.next_action(at(5)), WriteAction::Nothing);
        assert_eq!(saver.unsaved(), None);
    }

    #[test]
    fn a_change_after_a_pause_is_written_at_once() {
        let mut saver = WriteScheduler::new(CheckpointState::default());
        saver.note(vms(&["a"]));
        assert_eq!(saver.next_action(at(0)), write(&vms(&["a"])));
    }

    #[test]
    fn configurations_within_a_second_are_one_write_of_the_newest() {
        let mut saver = wrote(&sent(1), at(10));
        saver.note(sent(2));
        assert_eq!(saver.next_action(at(10)), WriteAction::WaitUntil(at(11)));
        saver.note(sent(3));
        assert_eq!(saver.next_action(Tick(11 * SECOND - 1)), WriteAction::WaitUntil(at(11)));
        assert_eq!(saver.next_action(at(11)), write(&sent(3)));
    }

    #[test]
    fn a_vm_that_has_come_is_written_at_once_and_takes_what_else_is_new_along() {
        let mut saver = wrote(&sent(1), at(10));
        saver.note(sent(2));
        let both = CheckpointState { vms: vms(&["a"]).vms, ..sent(2) };
        saver.note(both.clone());
        assert_eq!(saver.next_action(at(10)), WriteAction::WaitUntil(at(10).after(SOON)));
        assert_eq!(saver.next_action(at(10).after(SOON)), write(&both));
    }

    #[test]
    fn a_change_that_is_taken_back_is_not_written() {
        let mut saver = wrote(&vms(&["a"]), at(10));
        saver.note(vms(&[]));
        saver.note(vms(&["a"]));
        assert_eq!(saver.next_action(at(20)), WriteAction::Nothing);
    }

    #[test]
    fn a_change_during_a_write_is_written_after_it() {
        let mut saver = WriteScheduler::new(CheckpointState::default());
        saver.note(vms(&["a"]));
        let WriteAction::Write(first) = saver.next_action(at(0)) else { panic!("nothing to write") };
        saver.note(vms(&["a", "b"]));
        saver.wrote(first, at(3));
        assert_eq!(saver.next_action(at(3)), WriteAction::WaitUntil(at(3).after(SOON)));
        assert_eq!(saver.next_action(at(4)), write(&vms(&["a", "b"])));
    }

    #[test]
    fn counters_alone_are_written_once_a_minute() {
        let mut saver = wrote(&vms(&["a"]), at(10));
        saver.note(counted(vms(&["a"]), 64));
        assert_eq!(saver.next_action(at(12)), WriteAction::WaitUntil(at(70)));
        assert_eq!(saver.next_action(at(70)), write(&counted(vms(&["a"]), 64)));
    }

    #[test]
    fn counters_go_along_with_any_other_change() {
        let mut saver = wrote(&vms(&["a"]), at(10));
        saver.note(counted(vms(&["a", "b"]), 64));
        assert_eq!(saver.next_action(at(11)), write(&counted(vms(&["a", "b"]), 64)));
    }

    #[test]
    fn a_failing_disk_is_tried_less_and_less_often_and_for_ever() {
        let mut saver = WriteScheduler::new(CheckpointState::default());
        saver.note(vms(&["a"]));
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            saver.failed(now);
            let WriteAction::WaitUntil(due) = saver.next_action(now) else { panic!("tried at once") };
            waits.push(due.since(now) / SECOND);
            now = due;
            assert_eq!(saver.next_action(now), write(&vms(&["a"])));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        saver.wrote(Arc::new(vms(&["a"])), now);
        saver.note(vms(&["b"]));
        assert_eq!(saver.next_action(now), WriteAction::WaitUntil(now.after(SOON)));
    }

    #[test]
    fn changes_do_not_hurry_a_failing_disk() {
        let mut saver = WriteScheduler::new(CheckpointState::default());
        saver.note(vms(&["a"]));
        (0..4).for_each(|_| saver.failed(at(0)));
        saver.note(vms(&["b"]));
        assert_eq!(saver.next_action(at(1)), WriteAction::WaitUntil(at(8)));
    }

    #[test]
    fn after_a_failure_even_the_state_of_before_is_written() {
        // The failed write may have reached the disk: a change taken back must be too.
        let mut saver = wrote(&vms(&["a"]), at(10));
        saver.note(vms(&[]));
        saver.failed(at(12));
        saver.note(vms(&["a"]));
        assert_eq!(saver.next_action(at(13)), write(&vms(&["a"])));
    }

    #[test]
    fn at_the_end_what_is_unsaved_does_not_wait() {
        let mut saver = wrote(&vms(&["a"]), at(10));
        saver.note(counted(vms(&["a"]), 64));
        assert_eq!(*saver.unsaved().unwrap(), counted(vms(&["a"]), 64));
    }
}
