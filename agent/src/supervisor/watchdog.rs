//! Decides when a worker hangs: a state machine without processes or time.
//!
//! A worker is checked every few seconds. If its event loop is idle it is left asleep; otherwise it is pinged, and only its
//! event loop can answer. A missing answer is counted in checks, a second apart: while the host is suspended, or this process
//! does not run either, there are none. Until a worker serves, the checks that its start takes are counted in the same way.

use std::time::Duration;

use super::proc_status::ProcStatus;

/// Between two checks of a worker that has answered.
const CHECK_INTERVAL: Duration = Duration::from_secs(4);
/// Between two checks of one that has not.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Checks without an answer after which a worker hangs: with [`CHECK_INTERVAL`] before them, less than ten seconds.
const MAX_MISSED: u8 = 5;
/// Checks that the start of a worker may take when the one before it has died: it was started long before.
const MAX_START_ALONE: u16 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchdogAction {
    Wait,
    Ping,
    /// It hangs.
    Kill,
    /// It hangs in its start.
    KillStarting,
    /// It hangs in a debugger and is not killed. Returned once.
    IgnoreDebugged,
}

/// The watchdog of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watchdog {
    /// The worker does not serve yet, and has so many checks left to do so.
    Starting {
        left: u16,
    },
    /// The version of the worker does not answer, or it is being killed.
    Off,
    Answered,
    /// The worker was pinged and has missed so many checks since. `ignored`: it is known to be in a debugger.
    Pinged {
        missed: u8,
        ignored: bool,
    },
}

impl Watchdog {
    /// The worker serves.
    pub(super) fn served(&mut self) {
        if let Self::Starting { .. } = self {
            *self = Self::Off;
        }
    }

    /// No other worker serves any more: a start that takes long is replaced sooner.
    pub(super) fn hurry(&mut self) {
        if let Self::Starting { left } = self {
            *left = MAX_START_ALONE.min(*left);
        }
    }

    /// The worker has answered. The first answer comes without a ping, and means that the worker can answer.
    pub(super) fn answered(&mut self) {
        *self = Self::Answered;
    }

    /// How long after the last answer or check the next check is due.
    pub(super) fn next_check(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Answered => Some(CHECK_INTERVAL),
            Self::Pinged { .. } | Self::Starting { .. } => Some(PING_INTERVAL),
        }
    }

    pub(super) fn check(&mut self, status: ProcStatus) -> WatchdogAction {
        let (next, action) = match *self {
            Self::Starting { left: 0 } if status.traced => (Self::Off, WatchdogAction::IgnoreDebugged),
            Self::Starting { left: 0 } => (Self::Off, WatchdogAction::KillStarting),
            Self::Starting { left } => (Self::Starting { left: left - 1 }, WatchdogAction::Wait),
            Self::Answered if !status.idle => {
                (Self::Pinged { missed: 0, ignored: false }, WatchdogAction::Ping)
            }
            Self::Off | Self::Answered => (*self, WatchdogAction::Wait),
            Self::Pinged { missed, ignored } if missed + 1 < MAX_MISSED => {
                (Self::Pinged { missed: missed + 1, ignored }, WatchdogAction::Wait)
            }
            Self::Pinged { ignored, .. } if status.traced => (
                Self::Pinged { missed: 0, ignored: true },
                if ignored { WatchdogAction::Wait } else { WatchdogAction::IgnoreDebugged },
            ),
            Self::Pinged { .. } => (Self::Off, WatchdogAction::Kill),
        };
        *self = next;
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: ProcStatus = ProcStatus { idle: true, traced: false };
    const BUSY: ProcStatus = ProcStatus { idle: false, traced: false };
    const TRACED: ProcStatus = ProcStatus { idle: false, traced: true };

    /// Checks until there is something to do, and how long that takes.
    fn first_action(watchdog: &mut Watchdog, status: ProcStatus) -> (WatchdogAction, Duration) {
        let mut waited = Duration::ZERO;
        for _ in 0..1_000 {
            waited += watchdog.next_check().unwrap_or_default();
            let action = watchdog.check(status);
            if action != WatchdogAction::Wait {
                return (action, waited);
            }
        }
        (WatchdogAction::Wait, waited)
    }

    #[test]
    fn a_worker_that_cannot_answer_is_never_pinged() {
        let mut watchdog = Watchdog::Starting { left: 60 };
        watchdog.served();
        assert_eq!((watchdog.next_check(), watchdog.check(BUSY)), (None, WatchdogAction::Wait));
    }

    #[test]
    fn a_worker_that_hangs_in_its_start_is_killed_once() {
        for status in [IDLE, BUSY] {
            let mut watchdog = Watchdog::Starting { left: 60 };
            assert_eq!(
                first_action(&mut watchdog, status),
                (WatchdogAction::KillStarting, Duration::from_secs(61))
            );
            assert_eq!((watchdog.next_check(), watchdog.check(status)), (None, WatchdogAction::Wait));
        }
        let mut debugged = Watchdog::Starting { left: 60 };
        assert_eq!(first_action(&mut debugged, TRACED).0, WatchdogAction::IgnoreDebugged);
        assert_eq!(debugged.next_check(), None);
    }

    #[test]
    fn a_start_may_take_less_when_nobody_else_serves() {
        let mut watchdog = Watchdog::Starting { left: 60 };
        watchdog.hurry();
        assert_eq!(first_action(&mut watchdog, BUSY), (WatchdogAction::KillStarting, Duration::from_secs(3)));
        let mut serving = Watchdog::Answered;
        serving.hurry();
        serving.served();
        assert_eq!(serving, Watchdog::Answered);
    }

    #[test]
    fn an_idle_worker_is_not_pinged() {
        assert_eq!(first_action(&mut Watchdog::Answered, IDLE).0, WatchdogAction::Wait);
    }

    #[test]
    fn a_busy_worker_that_answers_is_pinged_again() {
        let mut watchdog = Watchdog::Answered;
        for _ in 0..10 {
            assert_eq!(first_action(&mut watchdog, BUSY), (WatchdogAction::Ping, CHECK_INTERVAL));
            watchdog.answered();
        }
        assert_eq!(first_action(&mut watchdog, IDLE).0, WatchdogAction::Wait);
    }

    #[test]
    fn a_worker_that_hangs_is_killed_once_within_ten_seconds() {
        let mut watchdog = Watchdog::Answered;
        let (ping, before) = first_action(&mut watchdog, BUSY);
        let (kill, after) = first_action(&mut watchdog, BUSY);
        assert_eq!((ping, kill), (WatchdogAction::Ping, WatchdogAction::Kill));
        assert!(before + after < Duration::from_secs(10), "{before:?} + {after:?}");
        assert_eq!((watchdog.next_check(), watchdog.check(BUSY)), (None, WatchdogAction::Wait));
    }

    #[test]
    fn a_pinged_worker_must_answer_even_if_it_is_idle() {
        let mut watchdog = Watchdog::Answered;
        assert_eq!(watchdog.check(BUSY), WatchdogAction::Ping);
        assert_eq!(first_action(&mut watchdog, IDLE).0, WatchdogAction::Kill);
    }

    #[test]
    fn an_answer_before_the_last_check_counts() {
        let mut watchdog = Watchdog::Answered;
        assert_eq!(watchdog.check(BUSY), WatchdogAction::Ping);
        assert!((1..MAX_MISSED).all(|_| watchdog.check(BUSY) == WatchdogAction::Wait));
        watchdog.answered();
        assert_eq!(watchdog.check(BUSY), WatchdogAction::Ping);
    }

    #[test]
    fn checks_are_not_missed_while_the_host_is_suspended() {
        let mut watchdog = Watchdog::Answered;
        for _ in 0..100 {
            assert_eq!(watchdog.check(BUSY), WatchdogAction::Ping);
            // The host is suspended here for hours. The timer that was due in between fires once, perhaps before
            // the worker has run.
            assert_eq!(watchdog.check(BUSY), WatchdogAction::Wait);
            watchdog.answered();
        }
    }

    #[test]
    fn a_worker_in_a_debugger_is_ignored_and_reported_once() {
        let mut watchdog = Watchdog::Answered;
        for _ in 0..2 {
            assert_eq!(first_action(&mut watchdog, TRACED).0, WatchdogAction::Ping);
            assert_eq!(first_action(&mut watchdog, TRACED).0, WatchdogAction::IgnoreDebugged);
            assert_eq!(first_action(&mut watchdog, TRACED).0, WatchdogAction::Wait);
            watchdog.answered();
        }
        assert_eq!(first_action(&mut watchdog, TRACED).0, WatchdogAction::Ping);
        assert_eq!(
            first_action(&mut watchdog, BUSY).0,
            WatchdogAction::Kill,
            "it still hangs without the debugger"
        );
    }
}
