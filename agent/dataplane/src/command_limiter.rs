//! Commands that cost the daemon work and their sender no bytes: 0x00, 0x01, 0x03 and 0x04.

use ::clock::{RateLimit, RateLimiter, Tick};

use crate::clock::SECOND;

/// Answers of one VM that take a look at the class tree: 2,000 a second, 4,000 at once. A guest that runs an EGD
/// client in a loop stays far below.
const ANSWERS: RateLimit = RateLimit::per_second(2_000, 4_000);

/// So many commands in a second are ten times what is answered.
const HOT: u64 = 20_000;

/// For so many seconds on end that is no mistake any more.
const PATIENCE: u8 = 10;

/// What one VM asks that draws nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandLimiter {
    answers: RateLimiter,
    /// When the second began that is being counted.
    second: Tick,
    /// Commands in it.
    count: u64,
    /// Hot seconds on end before it.
    hot: u8,
}

impl CommandLimiter {
    /// Whether one more command gets a true answer. If not, it gets the answer of a VM that has nothing, which
    /// costs nothing to find: the client keeps its framing, and is not waited for.
    pub(crate) fn answer(&mut self, now: Tick) -> bool {
        self.answers.admit(ANSWERS, now)
    }

    /// So many commands came. True when there have been far too many for far too long.
    pub(crate) fn came(&mut self, commands: u64, now: Tick) -> bool {
        let age = now.0.saturating_sub(self.second.0);
        if age >= SECOND {
            // A second in which nothing came ends the row.
            let in_a_row = self.count >= HOT && age < 2 * SECOND;
            self.hot = if in_a_row { self.hot + 1 } else { 0 };
            (self.second, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(commands);
        let abuse = self.hot >= PATIENCE;
        if abuse {
            (self.hot, self.count) = (0, 0);
        }
        abuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000_000);

    fn at(milliseconds: u64) -> Tick {
        START.after(milliseconds * 1_000_000)
    }

    /// In which millisecond so many commands a millisecond are too many, if ever in 20 s.
    fn abused(per_millisecond: impl Fn(u64) -> u64) -> Option<u64> {
        let mut ops = CommandLimiter::default();
        (0..20_000).find(|&time| ops.came(per_millisecond(time), at(time)))
    }

    #[test]
    fn four_thousand_are_answered_at_once_and_then_two_thousand_a_second() {
        let mut ops = CommandLimiter::default();
        assert_eq!((0..10_000).filter(|_| ops.answer(START)).count(), 4_000);
        let answered = (1..=1_000).map(|time| (0..50).filter(|_| ops.answer(at(time))).count());
        assert_eq!(answered.sum::<usize>(), 2_000);
    }

    #[test]
    fn ten_times_too_many_for_ten_seconds_are_abuse_and_less_is_not() {
        assert_eq!(abused(|_| 20), Some(10_000));
        assert_eq!(abused(|_| 19), None);
    }

    #[test]
    fn one_second_of_rest_begins_the_count_anew() {
        assert_eq!(abused(|time| if (5_000..6_000).contains(&time) { 0 } else { 100 }), Some(16_000));
        assert_eq!(abused(|time| if time / 1_000 % 10 == 9 { 0 } else { 100 }), None);
    }

    #[test]
    fn a_row_that_was_abuse_begins_anew() {
        let mut ops = CommandLimiter::default();
        let abuses = (0..60_000).filter(|&time| ops.came(20, at(time))).count();
        assert!((4..=6).contains(&abuses), "{abuses}");
    }
}
