//! So many at once, and then one each so often: a token bucket that is one instant.

use htb::Tick;

/// How fast something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// Nanoseconds between two, once the burst is used up.
    pub(crate) every: u64,
    /// How many may happen at once.
    pub(crate) burst: u64,
}

impl RateLimit {
    const fn depth(self) -> u64 {
        self.every * self.burst
    }
}

/// How much of a limit is used up: the generic cell rate algorithm, exact in integers and without a division.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimiter {
    /// When nothing will be used up any more.
    full: Tick,
}

impl RateLimiter {
    /// When one more may happen: `now` or later.
    pub(crate) fn next(self, limit: RateLimit, now: Tick) -> Tick {
        let emptied = self.full.max(now).after(limit.every);
        Tick(emptied.0.saturating_sub(limit.depth())).max(now)
    }

    /// One more happens. Asked for before its time, it is still counted.
    pub(crate) fn spend(&mut self, limit: RateLimit, now: Tick) {
        self.full = self.full.max(now).after(limit.every);
    }

    /// One more happens, if it may.
    pub(crate) fn take(&mut self, limit: RateLimit, now: Tick) -> bool {
        let may = self.next(limit, now) <= now;
        if may {
            self.spend(limit, now);
        }
        may
    }

    /// Nothing may happen before `until`, and then one at a time.
    pub(crate) fn bar(&mut self, limit: RateLimit, until: Tick) {
        self.full = self.full.max(until.after(limit.depth() - limit.every));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000_000);
    const LIMIT: RateLimit = RateLimit { every: 100, burst: 3 };

    fn taken(pace: &mut RateLimiter, times: impl Iterator<Item = u64>) -> usize {
        times.filter(|&time| pace.take(LIMIT, START.after(time))).count()
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_each_time() {
        let mut pace = RateLimiter::default();
        assert_eq!(taken(&mut pace, [0; 10].into_iter()), 3);
        assert_eq!(pace.next(LIMIT, START), START.after(100));
        assert_eq!(taken(&mut pace, 1..=1000), 10);
    }

    #[test]
    fn whoever_rests_has_the_burst_again_and_no_more() {
        let mut pace = RateLimiter::default();
        taken(&mut pace, [0; 10].into_iter());
        assert_eq!(taken(&mut pace, [1_000_000; 10].into_iter()), 3);
    }

    #[test]
    fn what_is_barred_may_happen_once_at_the_end_of_it() {
        let mut pace = RateLimiter::default();
        pace.bar(LIMIT, START.after(1000));
        assert_eq!(pace.next(LIMIT, START), START.after(1000));
        assert_eq!(taken(&mut pace, 0..1000), 0);
        assert_eq!(taken(&mut pace, [1000; 10].into_iter()), 1);
    }
}
