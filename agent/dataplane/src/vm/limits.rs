//! Limits on what one VM may do: commands that cost the daemon work and draw nothing (0x00, 0x01, 0x03 and 0x04), and
//! bytes read in a batch.

use crate::persist::READ_CAPACITY;
use ::clock::{RateLimit, RateLimiter, Tick};

use crate::clock::SECOND;

/// Answers of one VM for which the class tree is consulted: 2,000 a second, 4,000 at once. A guest that runs an EGD
/// client in a loop stays far below.
const ANSWERS: RateLimit = RateLimit::per_second(2_000, 4_000);

/// Commands per second that count as flooding: ten times the number that is answered.
const FLOOD: u64 = 20_000;

/// Consecutive flooded seconds after which the connection is closed.
const FLOOD_SECONDS: u8 = 10;

/// Limits the commands of one VM that draw nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandLimiter {
    answers: RateLimiter,
    /// Start of the second that is being counted.
    second: Tick,
    /// Commands in that second.
    count: u64,
    /// Consecutive flooded seconds before it.
    flooded: u8,
}

impl CommandLimiter {
    /// Whether another command gets a true answer. If not, it gets the answer of a VM without tokens, which takes no work:
    /// the client keeps its framing, and does not wait.
    pub(crate) fn allow_answer(&mut self, now: Tick) -> bool {
        self.answers.admit(ANSWERS, now)
    }

    /// Returns true when the VM has flooded for [`FLOOD_SECONDS`].
    pub(crate) fn count_commands(&mut self, commands: u64, now: Tick) -> bool {
        let age = now.0.saturating_sub(self.second.0);
        if age >= SECOND {
            // A second without a command ends the run.
            let consecutive = self.count >= FLOOD && age < 2 * SECOND;
            self.flooded = if consecutive { self.flooded + 1 } else { 0 };
            self.second = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(commands);
        let flooding = self.flooded >= FLOOD_SECONDS;
        if flooding {
            self.flooded = 0;
            self.count = 0;
        }
        flooding
    }
}

/// Bytes read from one VM in a batch, over all its connections: some two thousand requests. The rest of a flood waits
/// for the next batch; two hundred floods delay an honest VM by about a millisecond.
const READ_BUDGET: usize = 4096;
const _: () = assert!(READ_BUDGET <= READ_CAPACITY, "one read can use up the budget");

/// How much of its read budget a VM has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadBudget {
    batch: u64,
    read: usize,
}

impl ReadBudget {
    /// Bytes that may still be read in this batch.
    pub(crate) fn left(&mut self, batch: u64) -> usize {
        if self.batch != batch {
            *self = Self { batch, read: 0 };
        }
        READ_BUDGET.saturating_sub(self.read)
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.read = self.read.saturating_add(bytes);
    }
}

/// How often a limit on what one VM may do was hit since it was attached. All zero for QEMU with a well-behaved guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// Connections that were accepted late, after too many in a short time.
    pub delayed: u64,
    /// Connections closed for newer ones.
    pub replaced: u64,
    /// Requests answered with nothing, after too many in a short time.
    pub unanswered: u64,
    /// Connections closed for far too many commands for far too long.
    pub flooding: u64,
    /// Connections closed for a command that was not completed in time.
    pub stalled: u64,
    /// Connections closed for an unknown command, or too many unlike requests pending.
    pub garbage: u64,
    /// How often the rest of its input was read in a later batch.
    pub deferred: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000_000);

    fn at(milliseconds: u64) -> Tick {
        START.after(milliseconds * 1_000_000)
    }

    /// The millisecond in which this many commands a millisecond count as flooding, if ever in 20 s.
    fn flooding_at(per_millisecond: impl Fn(u64) -> u64) -> Option<u64> {
        let mut limiter = CommandLimiter::default();
        (0..20_000).find(|&time| limiter.count_commands(per_millisecond(time), at(time)))
    }

    #[test]
    fn four_thousand_are_answered_at_once_and_then_two_thousand_a_second() {
        let mut limiter = CommandLimiter::default();
        assert_eq!((0..10_000).filter(|_| limiter.allow_answer(START)).count(), 4_000);
        let answered = (1..=1_000).map(|time| (0..50).filter(|_| limiter.allow_answer(at(time))).count());
        assert_eq!(answered.sum::<usize>(), 2_000);
    }

    #[test]
    fn ten_times_too_many_for_ten_seconds_are_flooding_and_less_is_not() {
        assert_eq!(flooding_at(|_| 20), Some(10_000));
        assert_eq!(flooding_at(|_| 19), None);
    }

    #[test]
    fn one_second_of_rest_restarts_the_count() {
        assert_eq!(flooding_at(|time| if (5_000..6_000).contains(&time) { 0 } else { 100 }), Some(16_000));
        assert_eq!(flooding_at(|time| if time / 1_000 % 10 == 9 { 0 } else { 100 }), None);
    }

    #[test]
    fn the_count_restarts_after_flooding() {
        let mut limiter = CommandLimiter::default();
        let floods = (0..60_000).filter(|&time| limiter.count_commands(20, at(time))).count();
        assert!((4..=6).contains(&floods), "{floods}");
    }

    #[test]
    fn a_vm_has_one_budget_a_batch_and_a_new_one_in_the_next() {
        let mut budget = ReadBudget::default();
        assert_eq!(budget.left(1), READ_BUDGET);
        budget.spend(READ_BUDGET - 1);
        assert_eq!(budget.left(1), 1);
        budget.spend(1);
        assert_eq!((budget.left(1), budget.left(2)), (0, READ_BUDGET));
    }
}
