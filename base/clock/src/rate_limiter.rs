//! The generic cell rate algorithm: a token bucket that is one instant.

use crate::tick::{Span, Tick};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The interval between two events, once the burst is used up.
    every: Span,
    /// How many may happen at once.
    burst: u64,
}

impl RateLimit {
    #[inline]
    pub const fn new(every: Span, burst: u64) -> Self {
        Self { every, burst }
    }

    /// The interval is rounded down to whole nanoseconds, in favour of the caller.
    #[inline]
    pub const fn per_second(events: u64, burst: u64) -> Self {
        Self::new(Span(Span::seconds(1).0 / events), burst)
    }

    const fn depth(self) -> u64 {
        self.every.0.saturating_mul(self.burst)
    }
}

/// How much of a [`RateLimit`] is used up, exact in integers and without a division. The limit is an argument, so
/// that thousands of limiters of one kind cost eight bytes each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimiter {
    /// When the whole burst is available again.
    full: Tick,
}

impl RateLimiter {
    /// When the next event may happen: `now` or later.
    #[must_use]
    #[inline]
    pub fn ready_at(self, limit: RateLimit, now: Tick) -> Tick {
        let full = self.full.max(now) + limit.every;
        Tick(full.0.saturating_sub(limit.depth())).max(now)
    }

    /// Counts an event, also one that came too early.
    #[inline]
    pub fn charge(&mut self, limit: RateLimit, now: Tick) {
        self.full = self.full.max(now) + limit.every;
    }

    /// Counts an event if it may happen now. A refused one costs nothing.
    #[inline]
    pub fn admit(&mut self, limit: RateLimit, now: Tick) -> bool {
        self.admit_within(limit, now, Span(0)).is_some()
    }

    /// Counts an event that may happen within `patience` and returns how long it must wait. A refused one costs
    /// nothing.
    #[inline]
    pub fn admit_within(&mut self, limit: RateLimit, now: Tick, patience: Span) -> Option<Span> {
        let wait = self.ready_at(limit, now) - now;
        (wait <= patience).then(|| {
            self.charge(limit, now);
            wait
        })
    }

    /// Nothing may happen before `until`, and then one event at a time: the penalty for misuse.
    #[inline]
    pub fn block_until(&mut self, limit: RateLimit, until: Tick) {
        self.full = self.full.max(until.after(limit.depth().saturating_sub(limit.every.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000_000);
    const LIMIT: RateLimit = RateLimit::new(Span(100), 3);

    fn admitted(limiter: &mut RateLimiter, times: impl Iterator<Item = u64>) -> usize {
        times.filter(|&time| limiter.admit(LIMIT, START.after(time))).count()
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_one_event_each_interval() {
        let mut limiter = RateLimiter::default();
        assert_eq!(admitted(&mut limiter, [0; 10].into_iter()), 3);
        assert_eq!(limiter.ready_at(LIMIT, START), START.after(100));
        assert_eq!(admitted(&mut limiter, 1..=1000), 10);
    }

    #[test]
    fn a_pause_restores_the_burst_and_no_more() {
        let mut limiter = RateLimiter::default();
        admitted(&mut limiter, [0; 10].into_iter());
        assert_eq!(admitted(&mut limiter, [1_000_000; 10].into_iter()), 3);
    }

    #[test]
    fn a_blocked_limiter_admits_one_event_at_the_end() {
        let mut limiter = RateLimiter::default();
        limiter.block_until(LIMIT, START.after(1000));
        assert_eq!(limiter.ready_at(LIMIT, START), START.after(1000));
        assert_eq!(admitted(&mut limiter, 0..1000), 0);
        assert_eq!(admitted(&mut limiter, [1000; 10].into_iter()), 1);
    }

    #[test]
    fn time_that_goes_back_earns_nothing() {
        let mut limiter = RateLimiter::default();
        assert_eq!(admitted(&mut limiter, [1_000_000; 10].into_iter()), 3);
        assert_eq!(admitted(&mut limiter, [0; 10].into_iter()), 0);
        assert_eq!(admitted(&mut limiter, [1_000_000; 10].into_iter()), 0);
    }

    #[test]
    fn patient_events_queue_and_refused_ones_cost_nothing() {
        let mut limiter = RateLimiter::default();
        let mut admit = |time| limiter.admit_within(LIMIT, START.after(time), Span(250));
        assert_eq!(
            [0; 6].map(&mut admit),
            [0, 0, 0, 100, 200, 300].map(|wait| (wait <= 250).then_some(Span(wait)))
        );
        assert_eq!(admit(100), Some(Span(200)));
    }
}
