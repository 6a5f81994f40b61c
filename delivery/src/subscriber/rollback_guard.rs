//! What to make of a configuration that is older than the one in force.

use super::{ASK_AGAIN, BACK_AFTER};
use clock::Tick;

/// Since when nothing but older versions was on offer, from controllers that had just listed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RollbackGuard {
    waiting: Option<RollbackWait>,
}

#[derive(Clone, Copy, Debug)]
struct RollbackWait {
    since: Tick,
    asked: Tick,
}

/// What to do with an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RollbackDecision {
    Take,
    /// It is older, and nothing else was to be had for long enough.
    TakeBack,
    /// It is older, and what there is; something newer may come yet.
    Wait,
    /// It is older, and whoever offers it has not looked: another may have.
    Leave,
}

impl RollbackGuard {
    pub(super) fn judge(&mut self, now: Tick, older: bool, listed: bool) -> RollbackDecision {
        if !older {
            self.waiting = None;
            return RollbackDecision::Take;
        }
        if !listed {
            return RollbackDecision::Leave;
        }
        let waiting = self.waiting.get_or_insert(RollbackWait { since: now, asked: now });
        if now >= waiting.since + BACK_AFTER { RollbackDecision::TakeBack } else { RollbackDecision::Wait }
    }

    /// Something is in force that was on offer.
    pub(super) fn settle(&mut self) {
        self.waiting = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether it is time to ask for what there is; the next time is counted from now.
    pub(super) fn ask_again(&mut self, now: Tick) -> bool {
        let due = self.wake_at().is_some_and(|at| now >= at);
        if let Some(waiting) = self.waiting.as_mut().filter(|_| due) {
            waiting.asked = now;
        }
        due
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        let RollbackWait { since, asked } = self.waiting?;
        let back = since + BACK_AFTER;
        let next = asked + ASK_AGAIN;
        Some(if asked < back { next.min(back) } else { next })
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
    fn the_way_back_takes_a_minute_of_nothing_else_from_those_who_have_looked() {
        let mut older = RollbackGuard::default();
        assert_eq!(older.judge(at(0), true, true), RollbackDecision::Wait);
        assert_eq!(older.judge(at(59), true, true), RollbackDecision::Wait);
        assert_eq!(older.judge(at(60), true, true), RollbackDecision::TakeBack);
    }

    #[test]
    fn one_newer_offer_begins_the_minute_anew() {
        let mut older = RollbackGuard::default();
        older.judge(at(0), true, true);
        assert_eq!(older.judge(at(30), false, false), RollbackDecision::Take);
        assert_eq!(older.judge(at(60), true, true), RollbackDecision::Wait);
    }

    #[test]
    fn who_has_not_looked_is_left_whatever_the_clock_says() {
        let mut older = RollbackGuard::default();
        older.judge(at(0), true, true);
        assert_eq!(older.judge(at(100), true, false), RollbackDecision::Leave);
        assert_eq!(older.judge(at(100), true, true), RollbackDecision::TakeBack);
    }

    #[test]
    fn it_asks_every_ten_seconds_and_when_the_minute_is_over() {
        let mut older = RollbackGuard::default();
        older.judge(at(1), true, true);
        let mut asked = Vec::new();
        for second in 0..80 {
            if older.ask_again(at(second)) {
                asked.push(second);
            }
        }
        assert_eq!(asked, [11, 21, 31, 41, 51, 61, 71]);
    }
}
