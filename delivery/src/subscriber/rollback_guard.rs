//! Whether to apply a configuration that is older than the one in effect.

use clock::{Span, Tick};

/// The time for which only older versions must have been offered before one is applied.
pub const ROLLBACK_AFTER: Span = Span::seconds(60);
/// How often the agent subscribes again in the meantime.
pub const RESUBSCRIBE_INTERVAL: Span = Span::seconds(10);

/// Since when only older versions were offered, by controllers that have just listed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RollbackGuard {
    waiting: Option<RollbackWait>,
}

#[derive(Clone, Copy, Debug)]
struct RollbackWait {
    since: Tick,
    resubscribed: Tick,
}

/// What to do with an offered version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RollbackDecision {
    Apply,
    /// It is older, and nothing else was offered for long enough.
    RollBack,
    /// It is older, and a newer one may follow.
    Wait,
    /// It is older, and the controller has not listed: another one may be ahead.
    Disconnect,
}

impl RollbackGuard {
    pub(super) fn decide(&mut self, now: Tick, older: bool, listed: bool) -> RollbackDecision {
        if !older {
            self.waiting = None;
            return RollbackDecision::Apply;
        }
        if !listed {
            return RollbackDecision::Disconnect;
        }
        let waiting = self.waiting.get_or_insert(RollbackWait { since: now, resubscribed: now });
        if now >= waiting.since + ROLLBACK_AFTER {
            RollbackDecision::RollBack
        } else {
            RollbackDecision::Wait
        }
    }

    /// An offered version is in effect.
    pub(super) fn reset(&mut self) {
        self.waiting = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether it is time to subscribe again; if so, the next time counts from now.
    pub(super) fn should_resubscribe(&mut self, now: Tick) -> bool {
        let due = self.wake_at().is_some_and(|at| now >= at);
        if let Some(waiting) = self.waiting.as_mut().filter(|_| due) {
            waiting.resubscribed = now;
        }
        due
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        let RollbackWait { since, resubscribed } = self.waiting?;
        let rollback_at = since + ROLLBACK_AFTER;
        let next = resubscribed + RESUBSCRIBE_INTERVAL;
        Some(if resubscribed < rollback_at { next.min(rollback_at) } else { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Span;

    fn at(seconds: u64) -> Tick {
        Tick(0) + Span::seconds(seconds)
    }

    #[test]
    fn a_rollback_takes_a_minute_of_nothing_newer_from_controllers_that_have_listed() {
        let mut guard = RollbackGuard::default();
        assert_eq!(guard.decide(at(0), true, true), RollbackDecision::Wait);
        assert_eq!(guard.decide(at(59), true, true), RollbackDecision::Wait);
        assert_eq!(guard.decide(at(60), true, true), RollbackDecision::RollBack);
    }

    #[test]
    fn a_newer_offer_restarts_the_minute() {
        let mut guard = RollbackGuard::default();
        guard.decide(at(0), true, true);
        assert_eq!(guard.decide(at(30), false, false), RollbackDecision::Apply);
        assert_eq!(guard.decide(at(60), true, true), RollbackDecision::Wait);
    }

    #[test]
    fn a_controller_that_has_not_listed_is_left_at_any_time() {
        let mut guard = RollbackGuard::default();
        guard.decide(at(0), true, true);
        assert_eq!(guard.decide(at(100), true, false), RollbackDecision::Disconnect);
        assert_eq!(guard.decide(at(100), true, true), RollbackDecision::RollBack);
    }

    #[test]
    fn it_resubscribes_every_ten_seconds_and_at_the_end_of_the_minute() {
        let mut guard = RollbackGuard::default();
        guard.decide(at(1), true, true);
        let mut resubscribed = Vec::new();
        for second in 0..80 {
            if guard.should_resubscribe(at(second)) {
                resubscribed.push(second);
            }
        }
        assert_eq!(resubscribed, [11, 21, 31, 41, 51, 61, 71]);
    }
}
