//! Whether a worker that serves still does: when it is asked, and what its silence means. Without processes or time.
//!
//! It is looked at every few seconds. One whose loop sleeps is left asleep; any other is asked, and only its loop can answer.
//! Silence is counted in looks, each a second after the one before: where the host stood still, or this process could
//! not run either, there were none.

use std::time::Duration;

use super::proc_status::ProcStatus;

/// Between two looks at a worker that has nothing to answer.
const APART: Duration = Duration::from_secs(4);
/// Between two looks at one that has.
const LOOK: Duration = Duration::from_secs(1);
/// So many looks it may be silent. With [`APART`] before them, it does so for less than ten seconds.
const PATIENCE: u8 = 5;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchdogAction {
    /// Nothing.
    Wait,
    /// Ask it.
    Ask,
    /// It hangs: nothing but its end helps.
    Kill,
    /// It hangs, in somebody's debugger: it is theirs. Said once.
    IgnoreDebugged,
}

/// How one worker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Watchdog {
    /// It does not serve yet, or is of a version that answers nothing, or is being killed.
    #[default]
    Off,
    /// It owes no answer.
    Answered,
    /// It was asked so many looks ago.
    Asked { silent: u8, spared: bool },
}

impl Watchdog {
    /// It has answered; the first time without being asked, to say that it can be.
    pub(super) fn answered(&mut self) {
        *self = Self::Answered;
    }

    /// After how long to look next, counted from what happened last.
    pub(super) fn next(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Answered => Some(APART),
            Self::Asked { .. } => Some(LOOK),
        }
    }

    /// Looks at it.
    pub(super) fn look(&mut self, seen: ProcStatus) -> WatchdogAction {
        let (next, act) = match *self {
            Self::Answered if !seen.rests => (Self::Asked { silent: 0, spared: false }, WatchdogAction::Ask),
            Self::Off | Self::Answered => (*self, WatchdogAction::Wait),
            Self::Asked { silent, spared } if silent + 1 < PATIENCE => {
                (Self::Asked { silent: silent + 1, spared }, WatchdogAction::Wait)
            }
            Self::Asked { spared, .. } if seen.traced => (
                Self::Asked { silent: 0, spared: true },
                if spared { WatchdogAction::Wait } else { WatchdogAction::IgnoreDebugged },
            ),
            Self::Asked { .. } => (Self::Off, WatchdogAction::Kill),
        };
        *self = next;
        act
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESTS: ProcStatus = ProcStatus { rests: true, traced: false };
    const WORKS: ProcStatus = ProcStatus { rests: false, traced: false };
    const TRACED: ProcStatus = ProcStatus { rests: false, traced: true };

    /// Looks until there is something to do; how many looks, and how long, that takes.
    fn first_act(watch: &mut Watchdog, seen: ProcStatus) -> (WatchdogAction, Duration) {
        let mut waited = Duration::ZERO;
        for _ in 0..1_000 {
            waited += watch.next().unwrap_or_default();
            let act = watch.look(seen);
            if act != WatchdogAction::Wait {
                return (act, waited);
            }
        }
        (WatchdogAction::Wait, waited)
    }

    #[test]
    fn one_that_has_not_offered_to_answer_is_never_asked() {
        let mut watch = Watchdog::default();
        assert_eq!((watch.next(), watch.look(WORKS)), (None, WatchdogAction::Wait));
    }

    #[test]
    fn one_whose_loop_sleeps_is_left_asleep() {
        assert_eq!(first_act(&mut Watchdog::Answered, RESTS).0, WatchdogAction::Wait);
    }

    #[test]
    fn one_that_works_is_asked_again_and_again_and_lives() {
        let mut watch = Watchdog::Answered;
        for _ in 0..10 {
            assert_eq!(first_act(&mut watch, WORKS), (WatchdogAction::Ask, APART));
            watch.answered();
        }
        assert_eq!(first_act(&mut watch, RESTS).0, WatchdogAction::Wait);
    }

    #[test]
    fn one_that_hangs_is_killed_within_ten_seconds_and_once() {
        let mut watch = Watchdog::Answered;
        let (ask, before) = first_act(&mut watch, WORKS);
        let (kill, after) = first_act(&mut watch, WORKS);
        assert_eq!((ask, kill), (WatchdogAction::Ask, WatchdogAction::Kill));
        assert!(before + after < Duration::from_secs(10), "{before:?} + {after:?}");
        assert_eq!((watch.next(), watch.look(WORKS)), (None, WatchdogAction::Wait));
    }

    #[test]
    fn one_that_was_asked_owes_an_answer_however_it_looks() {
        let mut watch = Watchdog::Answered;
        assert_eq!(watch.look(WORKS), WatchdogAction::Ask);
        assert_eq!(first_act(&mut watch, RESTS).0, WatchdogAction::Kill);
    }

    #[test]
    fn an_answer_before_the_last_look_is_one() {
        let mut watch = Watchdog::Answered;
        assert_eq!(watch.look(WORKS), WatchdogAction::Ask);
        assert!((1..PATIENCE).all(|_| watch.look(WORKS) == WatchdogAction::Wait));
        watch.answered();
        assert_eq!(watch.look(WORKS), WatchdogAction::Ask);
    }

    #[test]
    fn however_often_a_host_stands_still_no_silence_is_counted_while_it_does() {
        let mut watch = Watchdog::Answered;
        for _ in 0..100 {
            assert_eq!(watch.look(WORKS), WatchdogAction::Ask);
            // It stands still here for hours. The timer that was due meanwhile fires once, and it may do so before the
            // worker has had its turn.
            assert_eq!(watch.look(WORKS), WatchdogAction::Wait);
            watch.answered();
        }
    }

    #[test]
    fn one_in_a_debugger_is_left_to_it_and_that_is_said_once_a_silence() {
        let mut watch = Watchdog::Answered;
        for _ in 0..2 {
            assert_eq!(first_act(&mut watch, TRACED).0, WatchdogAction::Ask);
            assert_eq!(first_act(&mut watch, TRACED).0, WatchdogAction::IgnoreDebugged);
            assert_eq!(first_act(&mut watch, TRACED).0, WatchdogAction::Wait);
            watch.answered();
        }
        assert_eq!(first_act(&mut watch, TRACED).0, WatchdogAction::Ask);
        assert_eq!(
            first_act(&mut watch, WORKS).0,
            WatchdogAction::Kill,
            "the debugger has gone and it still hangs"
        );
    }
}
