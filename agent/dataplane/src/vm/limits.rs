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

/// Bytes read from one VM in a batch: some two thousand requests. A flood waits its turn with the rest of what it
/// sent, on however many connections; two hundred floods hold up an honest VM by about a millisecond.
pub(crate) const PORTION: usize = 4096;

/// How much of its portion a VM has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadBudget {
    batch: u64,
    read: usize,
}

impl ReadBudget {
    /// What may still be read in this batch.
    pub(crate) fn left(&mut self, batch: u64) -> usize {
        if self.batch != batch {
            *self = Self { batch, read: 0 };
        }
        PORTION.saturating_sub(self.read)
    }

    /// So much was read.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.read = self.read.saturating_add(bytes);
    }
}

/// How often a limit on what one VM may do has held it back since it was attached. All zero for a QEMU whose guest
/// is what it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// Connections that waited to be accepted, since there had been too many in a short time.
    pub delayed: u64,
    /// Connections closed for newer ones.
    pub replaced: u64,
    /// Requests answered with nothing, since there had been too many in a short time.
    pub unanswered: u64,
    /// Connections closed for asking far too much for far too long.
    pub flooding: u64,
    /// Connections closed in the middle of a command that was not ended in time.
    pub stalled: u64,
    /// Connections closed for a byte that begins no command, or too many unlike requests unanswered.
    pub garbage: u64,
    /// Times that what it had sent was left for later, since it had sent much.
    pub deferred: u64,
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

    #[test]
    fn a_vm_has_one_portion_a_batch_and_a_new_one_in_the_next() {
        let mut portion = ReadBudget::default();
        assert_eq!(portion.left(1), PORTION);
        portion.spend(PORTION - 1);
        assert_eq!(portion.left(1), 1);
        portion.spend(1);
        assert_eq!((portion.left(1), portion.left(2)), (0, PORTION));
    }
}
