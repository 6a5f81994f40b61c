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

/// Who comes at a busy time waits for so long at most: an agent gives an attempt up after 5 s.
pub const STREAM_WAITS: Span = Span::seconds(3);

/// A rate that may be exceeded for a moment, and whoever comes beyond it waits: a stream that is refused costs a
/// handshake, and comes again for another.
#[derive(Clone, Copy, Debug)]
pub struct QueueingLimiter {
    cost: u64,
    most: u64,
    patience: u64,
    /// When the next one's turn is, in nanoseconds.
    next: u64,
}

impl QueueingLimiter {
    /// So many a second, so many at once, and nobody waits longer than `patience`.
    pub const fn new(per_second: u64, at_once: u64, patience: Span) -> Self {
        let cost = Span::seconds(1).0 / per_second;
        Self { cost, most: cost * at_once, patience: patience.0, next: 0 }
    }

    /// How long to wait for one's turn, which is taken with that; none if it would be too long.
    pub fn take(&mut self, now: Tick) -> Option<Span> {
        // What nobody used is saved, up to `most`.
        let turn = self.next.max(now.0.saturating_sub(self.most));
        let wait = turn.saturating_sub(now.0);
        (wait <= self.patience).then(|| {
            self.next = turn.saturating_add(self.cost);
            Span(wait)
        })
    }
}

/// A rate that may be exceeded for a moment. What is refused costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct RateLimiter {
    /// Nanoseconds that one costs.
    cost: u64,
    /// The most that is saved up, in nanoseconds.
    most: u64,
    saved: u64,
    at: Tick,
}

impl RateLimiter {
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

    fn admitted(pace: &mut RateLimiter, now: Tick, tries: usize) -> usize {
        (0..tries).filter(|_| pace.admit(now)).count()
    }

    #[test]
    fn a_crowd_takes_turns_at_the_pace_and_a_moment_s_worth_comes_at_once() {
        let start = Tick(0).plus(Span::seconds(100));
        let mut turns = QueueingLimiter::new(STREAMS_PER_SECOND, STREAMS_AT_ONCE, STREAM_WAITS);
        let waits: Vec<_> = (0..5_000).filter_map(|_| turns.take(start)).collect();
        assert_eq!(waits.iter().filter(|wait| wait.0 == 0).count(), 501);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((waits.len(), waits.last()), (3_501, Some(&STREAM_WAITS)));
        // Those who were turned away took nobody's place.
        assert_eq!(turns.take(start.plus(Span::seconds(4))), Some(Span(0)));
    }

    #[test]
    fn nothing_is_saved_beyond_the_bound_and_time_that_goes_back_gives_nothing() {
        let mut pace = RateLimiter::new(Tick(0), 20, 100);
        let later = Tick(0).plus(Span::seconds(1_000_000));
        assert_eq!(admitted(&mut pace, later, 200), 100);
        assert_eq!(admitted(&mut pace, Tick(0), 200), 0);
        assert_eq!(admitted(&mut pace, later, 200), 0);
    }
}
