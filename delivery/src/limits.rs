//! How much an agent may ask of its controller, whatever it is or pretends to be.

use crate::tick::{Span, Tick};

/// New streams a second over all agents, each of which costs a handshake and a review. 5,000 agents that lost their
/// controller at once are back in half of the 10 s that they have.
pub const STREAMS_PER_SECOND: u64 = 1_000;
/// Streams that may come at once.
pub const STREAMS_AT_ONCE: u64 = 500;
/// Messages a second on one stream; an agent says two or three in a busy one.
pub const MESSAGES_PER_SECOND: u64 = 20;
/// Messages that may come at once.
pub const MESSAGES_AT_ONCE: u64 = 100;
/// The longest message of an agent: what it says of 1,000 classes and 1,000 VMs fits ten times.
pub const LONGEST_FROM_AGENT: usize = 1 << 20;
/// The longest message of a controller. It is trusted, but an agent's memory is bounded.
pub const LONGEST_FROM_CONTROLLER: usize = 16 << 20;
/// Streams on one connection: one, and one that takes its place.
pub const STREAMS_PER_CONNECTION: u32 = 2;

/// A rate that may be exceeded for a moment. What is refused costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nanoseconds that one costs.
    cost: u64,
    /// The most that is saved up, in nanoseconds.
    most: u64,
    saved: u64,
    at: Tick,
}

impl Pace {
    /// So many a second, and so many at once.
    pub const fn new(now: Tick, per_second: u64, at_once: u64) -> Self {
        // Rounded down, in favour of those who come: by less than one in 10⁶ for the rates in use.
        let cost = Span::seconds(1).0 / per_second;
        let most = cost * at_once;
        Self { cost, most, saved: most, at: now }
    }

    /// Whether one more may come.
    pub fn admit(&mut self, now: Tick) -> bool {
        self.saved = self.saved.saturating_add(now.since(self.at).0).min(self.most);
        self.at = self.at.max(now);
        let left = self.saved.checked_sub(self.cost);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, now: Tick, tries: usize) -> usize {
        (0..tries).filter(|_| pace.admit(now)).count()
    }

    #[test]
    fn a_crowd_is_let_in_at_the_pace_and_a_moment_s_worth_at_once() {
        let mut pace = Pace::new(Tick(0), STREAMS_PER_SECOND, STREAMS_AT_ONCE);
        assert_eq!(admitted(&mut pace, Tick(0), 5_000), 500);
        let let_in: usize =
            (1..=45).map(|tenth| admitted(&mut pace, Tick(0).plus(Span::millis(100 * tenth)), 5_000)).sum();
        assert_eq!(let_in, 4_500);
    }

    #[test]
    fn nothing_is_saved_beyond_the_bound_and_time_that_goes_back_gives_nothing() {
        let mut pace = Pace::new(Tick(0), 20, 100);
        let later = Tick(0).plus(Span::seconds(1_000_000));
        assert_eq!(admitted(&mut pace, later, 200), 100);
        assert_eq!(admitted(&mut pace, Tick(0), 200), 0);
        assert_eq!(admitted(&mut pace, later, 200), 0);
    }
}
