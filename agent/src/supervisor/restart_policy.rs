//! What becomes of workers that start, serve and die: a machine without processes, signals or time.

use std::time::Duration;

use clock::{Exponential, Span};

use super::worker::WorkerRole;

/// The pauses before a worker that has never served is started again.
const PAUSES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(10) };
/// The exit code of wrong use: no repetition makes that right.
const WRONG_USE: u8 = 2;
/// The exit code of a worker that could not take over from one that serves: `EX_TEMPFAIL`.
pub(super) const TRY_AGAIN: u8 = 75;

/// What becomes of a supervisor whose worker has handed over to somebody else's, or was not let take over by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSuccess {
    /// It ends.
    #[default]
    End,
    /// It stays until a signal asks for its end: whoever started it would start it again, and it would ask back.
    Stay,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerExit {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyStep {
    /// Nothing, until something happens.
    Wait,
    /// Start a worker that begins from what the last one left, after a pause.
    Start(Duration),
    /// Start a worker that takes over from the one that serves.
    Succeed,
    /// End, with this code.
    Exit(u8),
}

/// A process id.
pub(super) type Id = i32;

/// The workers there are. At most two, and two only while one takes over from the other.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may hold beside any other")]
pub(super) struct RestartPolicy {
    current: Option<Id>,
    successor: Option<Id>,
    /// The current one has served.
    serves: bool,
    /// Some worker has.
    has_served: bool,
    failures: u32,
    /// A successor is wanted as soon as there can be one.
    wanted: bool,
    stopping: bool,
    afterwards: OnSuccess,
}

impl RestartPolicy {
    pub(super) fn new(afterwards: OnSuccess) -> Self {
        Self { afterwards, ..Self::default() }
    }

    /// What a worker that is started now is to be.
    pub(super) fn role(&self, succeeds: bool) -> WorkerRole {
        match (succeeds, self.has_served) {
            (true, _) => WorkerRole::Successor,
            (false, true) => WorkerRole::Again,
            (false, false) => WorkerRole::First,
        }
    }

    /// A worker was started, as [`Step::Start`] or [`Step::Succeed`] said.
    pub(super) fn started(&mut self, id: Id, succeeds: bool) {
        if succeeds {
            self.successor = Some(id);
        } else {
            // It is of the program as it is on disk now: that is as good as a successor.
            (self.current, self.serves, self.wanted) = (Some(id), false, false);
        }
    }

    /// A worker says that it serves.
    pub(super) fn served(&mut self, id: Id) -> PolicyStep {
        if self.successor == Some(id) {
            // The one before it has handed over, and ends by itself.
            (self.current, self.successor) = (Some(id), None);
        }
        if self.current == Some(id) {
            (self.serves, self.has_served, self.failures) = (true, true, 0);
        }
        self.succeed_if_wanted()
    }

    /// Somebody wants the end. The workers are told by the caller.
    pub(super) fn stop(&mut self) -> PolicyStep {
        self.stopping = true;
        if self.workers().next().is_none() { PolicyStep::Exit(0) } else { PolicyStep::Wait }
    }

    /// Somebody wants a successor for the current worker. If there cannot be one yet, it comes later.
    pub(super) fn succeed(&mut self) -> PolicyStep {
        self.wanted = true;
        self.succeed_if_wanted()
    }

    fn succeed_if_wanted(&mut self) -> PolicyStep {
        let may = self.serves && self.current.is_some() && self.successor.is_none() && !self.stopping;
        if may && std::mem::take(&mut self.wanted) { PolicyStep::Succeed } else { PolicyStep::Wait }
    }

    /// A process has ended. It may be nobody's worker: pid 1 inherits orphans.
    pub(super) fn died(&mut self, id: Id, end: WorkerExit) -> PolicyStep {
        if self.successor == Some(id) {
            self.successor = None;
            let last = self.stopping && self.current.is_none();
            return if last { PolicyStep::Exit(code(end)) } else { self.succeed_if_wanted() };
        }
        if self.current != Some(id) {
            return PolicyStep::Wait;
        }
        let served = std::mem::take(&mut self.serves);
        self.current = self.successor.take();
        if self.current.is_some() {
            // It has handed over and its successor has not yet said so, or died on the way: then that one finds
            // nobody there.
            return PolicyStep::Wait;
        }
        match end {
            _ if self.stopping => PolicyStep::Exit(code(end)),
            WorkerExit::Exited(0) if self.afterwards == OnSuccess::Stay => PolicyStep::Wait,
            WorkerExit::Exited(TRY_AGAIN) if self.afterwards == OnSuccess::Stay => {
                PolicyStep::Start(self.pause())
            }
            WorkerExit::Exited(code @ (0 | WRONG_USE)) => PolicyStep::Exit(code),
            WorkerExit::Exited(code) if !self.has_served => PolicyStep::Exit(code),
            _ if served => PolicyStep::Start(Duration::ZERO),
            _ => PolicyStep::Start(self.pause()),
        }
    }

    /// Those that are to hear of a signal.
    pub(super) fn workers(&self) -> impl Iterator<Item = Id> {
        self.current.into_iter().chain(self.successor)
    }

    fn pause(&mut self) -> Duration {
        let pause = PAUSES.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause.into()
    }
}

/// The code of a supervisor whose worker was told to end and did so like this. One that had not yet taken over the
/// signal died of it, and that is what was wanted.
fn code(end: WorkerExit) -> u8 {
    const WANTED: [u8; 3] = [1, 2, 15]; // SIGHUP, SIGINT, SIGTERM
    match end {
        WorkerExit::Exited(code) => code,
        WorkerExit::Killed(signal) if WANTED.contains(&signal) => 0,
        WorkerExit::Killed(signal) => 128_u8.saturating_add(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: WorkerExit = WorkerExit::Killed(9);

    /// The life of a supervisor whose first worker, 10, serves.
    fn serving() -> RestartPolicy {
        let mut life = RestartPolicy::default();
        life.started(10, false);
        life.served(10);
        life
    }

    #[test]
    fn a_worker_that_served_is_started_again_at_once_however_often_it_dies() {
        let mut life = serving();
        for id in 10..1_000 {
            assert_eq!(life.died(id, KILLED), PolicyStep::Start(Duration::ZERO));
            life.started(id + 1, false);
            life.served(id + 1);
        }
    }

    #[test]
    fn a_panic_or_an_error_of_one_that_served_is_a_crash_too() {
        for end in [WorkerExit::Exited(1), WorkerExit::Exited(101), WorkerExit::Killed(6)] {
            assert_eq!(serving().died(10, end), PolicyStep::Start(Duration::ZERO), "{end:?}");
        }
    }

    #[test]
    fn one_that_dies_before_it_serves_waits_longer_each_time_up_to_ten_seconds() {
        let mut life = serving();
        life.died(10, KILLED);
        let mut pauses = Vec::new();
        for id in 11..20 {
            life.started(id, false);
            let PolicyStep::Start(pause) =
                life.died(id, if id % 2 == 0 { KILLED } else { WorkerExit::Exited(1) })
            else {
                panic!("given up");
            };
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        life.started(20, false);
        life.served(20);
        life.died(20, KILLED);
        life.started(21, false);
        assert_eq!(
            life.died(21, KILLED),
            PolicyStep::Start(PAUSES.first.into()),
            "serving makes up for all before"
        );
    }

    #[test]
    fn what_no_repetition_makes_right_is_passed_on() {
        for code in [1, 2] {
            let mut life = RestartPolicy::default();
            life.started(10, false);
            assert_eq!(life.died(10, WorkerExit::Exited(code)), PolicyStep::Exit(code));
        }
        assert_eq!(serving().died(10, WorkerExit::Exited(2)), PolicyStep::Exit(2));
        assert_eq!(
            serving().died(10, WorkerExit::Exited(0)),
            PolicyStep::Exit(0),
            "it has handed over to somebody else's"
        );
    }

    #[test]
    fn one_that_stays_waits_for_its_end_once_somebody_else_s_worker_serves() {
        let mut life = RestartPolicy::new(OnSuccess::Stay);
        life.started(10, false);
        assert_eq!(
            life.died(10, WorkerExit::Exited(TRY_AGAIN)),
            PolicyStep::Start(PAUSES.first.into()),
            "who serves may yet go"
        );
        life.started(11, false);
        life.served(11);
        assert_eq!(life.died(11, WorkerExit::Exited(0)), PolicyStep::Wait);
        assert_eq!(life.succeed(), PolicyStep::Wait);
        assert_eq!(life.stop(), PolicyStep::Exit(0));
    }

    #[test]
    fn one_whose_successor_died_before_it_served_serves_again_at_once() {
        let mut life = RestartPolicy::new(OnSuccess::Stay);
        life.started(10, false);
        life.served(10);
        assert_eq!(life.died(10, WorkerExit::Exited(1)), PolicyStep::Start(Duration::ZERO));
    }

    #[test]
    fn the_end_waits_for_the_worker_and_passes_its_code_on() {
        for (end, code) in [
            (WorkerExit::Exited(0), 0),
            (WorkerExit::Exited(1), 1),
            (WorkerExit::Killed(15), 0),
            (WorkerExit::Killed(9), 137),
        ] {
            let mut life = serving();
            assert_eq!(life.stop(), PolicyStep::Wait);
            assert_eq!(life.died(10, end), PolicyStep::Exit(code));
        }
        let mut life = serving();
        life.died(10, KILLED);
        assert_eq!(life.stop(), PolicyStep::Exit(0), "between two workers there is nobody to wait for");
    }

    #[test]
    fn a_successor_replaces_the_worker_whoever_of_them_is_heard_first() {
        for told_first in [true, false] {
            let mut life = serving();
            assert_eq!(life.succeed(), PolicyStep::Succeed);
            life.started(11, true);
            assert_eq!(life.succeed(), PolicyStep::Wait, "one at a time");
            if told_first {
                assert_eq!(life.served(11), PolicyStep::Succeed, "what was asked for meanwhile");
                assert_eq!(life.died(10, WorkerExit::Exited(0)), PolicyStep::Wait);
            } else {
                assert_eq!(life.died(10, WorkerExit::Exited(0)), PolicyStep::Wait);
                assert_eq!(life.served(11), PolicyStep::Succeed, "what was asked for meanwhile");
            }
            assert_eq!(life.workers().collect::<Vec<_>>(), [11]);
            assert_eq!(life.died(11, KILLED), PolicyStep::Start(Duration::ZERO));
        }
    }

    #[test]
    fn a_successor_that_fails_leaves_the_worker_as_it_was() {
        let mut life = serving();
        life.started(11, true);
        assert_eq!(life.died(11, WorkerExit::Exited(1)), PolicyStep::Wait);
        assert_eq!(life.workers().collect::<Vec<_>>(), [10]);
        life.started(12, true);
        assert_eq!(life.succeed(), PolicyStep::Wait);
        assert_eq!(
            life.died(12, WorkerExit::Exited(1)),
            PolicyStep::Succeed,
            "who asked again has another one tried"
        );
        assert_eq!(life.died(10, KILLED), PolicyStep::Start(Duration::ZERO));
    }

    #[test]
    fn when_both_are_told_to_end_both_are_waited_for() {
        let mut life = serving();
        life.started(11, true);
        assert_eq!(life.stop(), PolicyStep::Wait);
        assert_eq!(life.died(10, WorkerExit::Exited(0)), PolicyStep::Wait);
        assert_eq!(life.died(11, WorkerExit::Killed(15)), PolicyStep::Exit(0));
    }

    #[test]
    fn before_it_serves_nobody_can_succeed_a_worker_and_orphans_matter_to_none() {
        let mut life = RestartPolicy::default();
        life.started(10, false);
        assert_eq!(life.succeed(), PolicyStep::Wait);
        assert_eq!(life.died(99, KILLED), PolicyStep::Wait);
        assert_eq!(life.workers().collect::<Vec<_>>(), [10]);
        assert_eq!(life.served(10), PolicyStep::Succeed, "and nobody has to ask again");
        assert_eq!(life.served(10), PolicyStep::Wait, "once");
    }
}
