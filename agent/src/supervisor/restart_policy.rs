//! Decides when workers are started and restarted: a state machine without processes, signals or time.

use std::time::Duration;

use clock::{Exponential, Span};

/// The pauses before the restart of a worker that died before it served.
const PAUSES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(10) };
/// The exit code of invalid arguments: restarting does not help.
const USAGE_ERROR: u8 = 2;
/// The exit code of a worker that could not take over from one that serves and is to be restarted: `EX_TEMPFAIL`.
pub(crate) const TRY_AGAIN: u8 = 75;

/// What a supervisor does when its worker has handed over to the worker of another supervisor, or was refused by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnSuccess {
    /// It exits.
    #[default]
    End,
    /// It stays until a signal ends it: a kubelet would restart it, and it would take over again.
    Stay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerExit {
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyStep {
    Wait,
    /// Start a worker after a pause.
    Start(Duration),
    /// Start a worker that takes over from the one that serves.
    Succeed,
    /// Exit with this code.
    Exit(u8),
}

/// Why a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerRole {
    /// No worker has served yet.
    First,
    /// A worker has served, and died.
    Restarted,
    /// It takes over from the worker that serves.
    Successor,
}

/// The process id of a worker.
pub(super) type WorkerId = i32;

/// The current worker, and a second one while that takes over.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct RestartPolicy {
    current: Option<WorkerId>,
    successor: Option<WorkerId>,
    /// The current worker serves.
    serves: bool,
    /// Any worker has served.
    has_served: bool,
    failures: u32,
    /// A successor is to be started as soon as possible.
    successor_wanted: bool,
    stopping: bool,
    on_success: OnSuccess,
}

impl RestartPolicy {
    pub(super) fn new(on_success: OnSuccess) -> Self {
        Self { on_success, ..Self::default() }
    }

    /// The role of a worker that is started now.
    pub(super) fn role(&self, succeeds: bool) -> WorkerRole {
        match (succeeds, self.has_served) {
            (true, _) => WorkerRole::Successor,
            (false, true) => WorkerRole::Restarted,
            (false, false) => WorkerRole::First,
        }
    }

    /// A worker was started after [`PolicyStep::Start`] or [`PolicyStep::Succeed`].
    pub(super) fn started(&mut self, id: WorkerId, succeeds: bool) {
        if succeeds {
            self.successor = Some(id);
        } else {
            self.current = Some(id);
            self.serves = false;
            // It runs the program that is on disk now, as a successor would.
            self.successor_wanted = false;
        }
    }

    /// A worker reports that it serves.
    pub(super) fn served(&mut self, id: WorkerId) -> PolicyStep {
        if self.successor == Some(id) {
            // The one before it has handed over, and exits by itself.
            self.current = Some(id);
            self.successor = None;
        }
        if self.current == Some(id) {
            self.serves = true;
            self.has_served = true;
            self.failures = 0;
        }
        self.succeed_if_wanted()
    }

    /// A signal ends the daemon. The caller passes it on to the workers.
    pub(super) fn stop(&mut self) -> PolicyStep {
        self.stopping = true;
        if self.workers().next().is_none() { PolicyStep::Exit(0) } else { PolicyStep::Wait }
    }

    /// A successor is wanted for the current worker. It is started later if it cannot be started yet.
    pub(super) fn succeed(&mut self) -> PolicyStep {
        self.successor_wanted = true;
        self.succeed_if_wanted()
    }

    fn succeed_if_wanted(&mut self) -> PolicyStep {
        let may = self.serves && self.current.is_some() && self.successor.is_none() && !self.stopping;
        if may && std::mem::take(&mut self.successor_wanted) { PolicyStep::Succeed } else { PolicyStep::Wait }
    }

    /// A process has exited. It need not be a worker: pid 1 inherits orphans.
    pub(super) fn exited(&mut self, id: WorkerId, exit: WorkerExit) -> PolicyStep {
        if self.successor == Some(id) {
            self.successor = None;
            let last = self.stopping && self.current.is_none();
            return if last { PolicyStep::Exit(exit_code(exit)) } else { self.succeed_if_wanted() };
        }
        if self.current != Some(id) {
            return PolicyStep::Wait;
        }
        let served = std::mem::take(&mut self.serves);
        self.current = self.successor.take();
        if self.current.is_some() {
            // It has handed over and its successor has not reported it yet; or it died before, and the successor
            // finds no predecessor.
            return PolicyStep::Wait;
        }
        match exit {
            _ if self.stopping => PolicyStep::Exit(exit_code(exit)),
            WorkerExit::Exited(0) if self.on_success == OnSuccess::Stay => PolicyStep::Wait,
            WorkerExit::Exited(TRY_AGAIN) if self.on_success == OnSuccess::Stay => {
                PolicyStep::Start(self.pause())
            }
            // Of a program that never served here, such a code says nothing about the arguments.
            WorkerExit::Exited(code @ (0 | USAGE_ERROR)) if served || !self.has_served => {
                PolicyStep::Exit(code)
            }
            WorkerExit::Exited(code) if !self.has_served => PolicyStep::Exit(code),
            _ if served => PolicyStep::Start(Duration::ZERO),
            _ => PolicyStep::Start(self.pause()),
        }
    }

    /// The worker that serves.
    pub(super) fn serving(&self) -> Option<WorkerId> {
        self.current.filter(|_| self.serves)
    }

    /// The worker that is to take over.
    pub(super) fn successor(&self) -> Option<WorkerId> {
        self.successor
    }

    /// The workers that a signal is passed on to.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerId> {
        self.current.into_iter().chain(self.successor)
    }

    fn pause(&mut self) -> Duration {
        let pause = PAUSES.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause.into()
    }
}

/// The supervisor's exit code when a worker was signalled and exited so. A worker that did not handle the signal yet was
/// killed by it, which is a success.
fn exit_code(exit: WorkerExit) -> u8 {
    const PASSED_ON: [u8; 3] = [1, 2, 15]; // SIGHUP, SIGINT, SIGTERM
    match exit {
        WorkerExit::Exited(code) => code,
        WorkerExit::Killed(signal) if PASSED_ON.contains(&signal) => 0,
        WorkerExit::Killed(signal) => 128_u8.saturating_add(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: WorkerExit = WorkerExit::Killed(9);

    /// The policy after its first worker, 10, has reported that it serves.
    fn serving() -> RestartPolicy {
        let mut policy = RestartPolicy::default();
        policy.started(10, false);
        policy.served(10);
        policy
    }

    #[test]
    fn a_worker_that_served_is_restarted_at_once_each_time() {
        let mut policy = serving();
        for id in 10..1_000 {
            assert_eq!(policy.exited(id, KILLED), PolicyStep::Start(Duration::ZERO));
            policy.started(id + 1, false);
            policy.served(id + 1);
        }
    }

    #[test]
    fn a_panic_or_an_error_of_a_worker_that_served_is_a_crash() {
        for end in [WorkerExit::Exited(1), WorkerExit::Exited(101), WorkerExit::Killed(6)] {
            assert_eq!(serving().exited(10, end), PolicyStep::Start(Duration::ZERO), "{end:?}");
        }
    }

    #[test]
    fn the_pause_before_workers_that_never_serve_doubles_up_to_ten_seconds() {
        let mut policy = serving();
        policy.exited(10, KILLED);
        let mut pauses = Vec::new();
        for id in 11..20 {
            policy.started(id, false);
            let PolicyStep::Start(pause) =
                policy.exited(id, if id % 2 == 0 { KILLED } else { WorkerExit::Exited(1) })
            else {
                panic!("the policy gave up");
            };
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        policy.started(20, false);
        policy.served(20);
        policy.exited(20, KILLED);
        policy.started(21, false);
        assert_eq!(
            policy.exited(21, KILLED),
            PolicyStep::Start(PAUSES.first.into()),
            "serving resets the pause"
        );
    }

    #[test]
    fn errors_that_a_restart_does_not_mend_are_passed_on() {
        for code in [1, 2] {
            let mut policy = RestartPolicy::default();
            policy.started(10, false);
            assert_eq!(policy.exited(10, WorkerExit::Exited(code)), PolicyStep::Exit(code));
        }
        assert_eq!(serving().exited(10, WorkerExit::Exited(2)), PolicyStep::Exit(2));
        assert_eq!(
            serving().exited(10, WorkerExit::Exited(0)),
            PolicyStep::Exit(0),
            "it has handed over to another supervisor's worker"
        );
    }

    #[test]
    fn a_program_that_never_served_does_not_end_the_daemon() {
        for code in [0, 1, 2, 7] {
            let mut policy = serving();
            policy.exited(10, KILLED);
            policy.started(11, false);
            assert_eq!(
                policy.exited(11, WorkerExit::Exited(code)),
                PolicyStep::Start(PAUSES.first.into()),
                "{code}"
            );
        }
    }

    #[test]
    fn with_stay_the_supervisor_waits_for_a_signal_after_a_hand_over() {
        let mut policy = RestartPolicy::new(OnSuccess::Stay);
        policy.started(10, false);
        assert_eq!(
            policy.exited(10, WorkerExit::Exited(TRY_AGAIN)),
            PolicyStep::Start(PAUSES.first.into()),
            "the one that serves may still end"
        );
        policy.started(11, false);
        policy.served(11);
        assert_eq!(policy.exited(11, WorkerExit::Exited(0)), PolicyStep::Wait);
        assert_eq!(policy.succeed(), PolicyStep::Wait);
        assert_eq!(policy.stop(), PolicyStep::Exit(0));
    }

    #[test]
    fn a_worker_whose_successor_died_is_restarted_at_once() {
        let mut policy = RestartPolicy::new(OnSuccess::Stay);
        policy.started(10, false);
        policy.served(10);
        assert_eq!(policy.exited(10, WorkerExit::Exited(1)), PolicyStep::Start(Duration::ZERO));
    }

    #[test]
    fn stopping_waits_for_the_worker_and_passes_its_code_on() {
        for (end, code) in [
            (WorkerExit::Exited(0), 0),
            (WorkerExit::Exited(1), 1),
            (WorkerExit::Killed(15), 0),
            (WorkerExit::Killed(9), 137),
        ] {
            let mut policy = serving();
            assert_eq!(policy.stop(), PolicyStep::Wait);
            assert_eq!(policy.exited(10, end), PolicyStep::Exit(code));
        }
        let mut policy = serving();
        policy.exited(10, KILLED);
        assert_eq!(policy.stop(), PolicyStep::Exit(0), "between two workers there is none to wait for");
    }

    #[test]
    fn a_successor_replaces_the_worker_in_either_order_of_events() {
        for served_first in [true, false] {
            let mut policy = serving();
            assert_eq!(policy.succeed(), PolicyStep::Succeed);
            policy.started(11, true);
            assert_eq!(policy.succeed(), PolicyStep::Wait, "one at a time");
            if served_first {
                assert_eq!(policy.served(11), PolicyStep::Succeed, "a second one was requested in between");
                assert_eq!(policy.exited(10, WorkerExit::Exited(0)), PolicyStep::Wait);
            } else {
                assert_eq!(policy.exited(10, WorkerExit::Exited(0)), PolicyStep::Wait);
                assert_eq!(policy.served(11), PolicyStep::Succeed, "a second one was requested in between");
            }
            assert_eq!(policy.workers().collect::<Vec<_>>(), [11]);
            assert_eq!(policy.exited(11, KILLED), PolicyStep::Start(Duration::ZERO));
        }
    }

    #[test]
    fn a_successor_that_fails_leaves_the_worker_in_place() {
        let mut policy = serving();
        policy.started(11, true);
        assert_eq!(policy.exited(11, WorkerExit::Exited(1)), PolicyStep::Wait);
        assert_eq!(policy.workers().collect::<Vec<_>>(), [10]);
        policy.started(12, true);
        assert_eq!(policy.succeed(), PolicyStep::Wait);
        assert_eq!(
            policy.exited(12, WorkerExit::Exited(1)),
            PolicyStep::Succeed,
            "a second one was requested"
        );
        assert_eq!(policy.exited(10, KILLED), PolicyStep::Start(Duration::ZERO));
    }

    #[test]
    fn stopping_waits_for_both_workers() {
        let mut policy = serving();
        policy.started(11, true);
        assert_eq!(policy.stop(), PolicyStep::Wait);
        assert_eq!(policy.exited(10, WorkerExit::Exited(0)), PolicyStep::Wait);
        assert_eq!(policy.exited(11, WorkerExit::Killed(15)), PolicyStep::Exit(0));
    }

    #[test]
    fn a_worker_has_no_successor_before_it_serves_and_other_processes_are_ignored() {
        let mut policy = RestartPolicy::default();
        policy.started(10, false);
        assert_eq!(policy.succeed(), PolicyStep::Wait);
        assert_eq!(policy.exited(99, KILLED), PolicyStep::Wait);
        assert_eq!(policy.workers().collect::<Vec<_>>(), [10]);
        assert_eq!(policy.served(10), PolicyStep::Succeed, "the request is remembered");
        assert_eq!(policy.served(10), PolicyStep::Wait, "once");
    }
}
