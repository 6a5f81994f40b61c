//! Exponential back-off.

use crate::tick::Span;

/// Delays that double from `first` to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exponential {
    pub first: Span,
    pub longest: Span,
}

impl Exponential {
    /// The delay after `failures` failed attempts that had a delay of their own.
    pub const fn delay(self, failures: u32) -> Span {
        let doublings = if failures < 63 { failures } else { 63 };
        let delay = self.first.0.saturating_mul(1 << doublings);
        if delay < self.longest.0 { Span(delay) } else { self.longest }
    }
}

/// How clients that fail together are prevented from retrying together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Each delay is up to a fifth shorter or longer, as in gRPC's connection back-off: for the few sources of one
    /// host, whose delays people read in the log.
    Fifth,
    /// The first delay is anywhere below its bound, and each later one in the upper half of its own: for thousands of
    /// agents that lose one controller in the same instant.
    Spread,
}

/// The delays of one client. They depend on its seed, which need not be secret: predicting them gains nothing.
#[derive(Clone, Debug)]
pub struct Backoff {
    delays: Exponential,
    jitter: Jitter,
    failures: u32,
    noise: u64,
}

impl Backoff {
    pub const fn new(delays: Exponential, jitter: Jitter, seed: u64) -> Self {
        Self { delays, jitter, failures: 0, noise: seed }
    }

    /// Counts a failure and returns how long to wait.
    #[must_use]
    pub fn delay(&mut self) -> Span {
        let bound = self.delays.delay(self.failures);
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        match self.jitter {
            // 800 to 1,200 thousandths. The bias of the remainder does not matter for spreading load.
            Jitter::Fifth => Span((bound.0 / 1000).saturating_mul(800 + self.random() % 401)),
            Jitter::Spread if first => self.below(bound),
            Jitter::Spread => Span(bound.0 / 2 + self.below(Span(bound.0 / 2)).0),
        }
    }

    /// An attempt succeeded: the next delay is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Anywhere from zero to below `bound`.
    #[must_use]
    pub fn below(&mut self, bound: Span) -> Span {
        Span(self.random() % bound.0.max(1))
    }

    /// `SplitMix64`.
    fn random(&mut self) -> u64 {
        self.noise = self.noise.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.noise ^ (self.noise >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(30) };

    #[test]
    fn delays_double_up_to_the_longest() {
        let delays =
            [0, 1, 2, 8, 9, 40, 63, 64, u32::MAX].map(|failures| DELAYS.delay(failures).0 / 1_000_000);
        assert_eq!(delays, [100, 200, 400, 25_600, 30_000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn jitter_of_a_fifth_stays_within_a_fifth() {
        for seed in 0..1000 {
            let mut backoff = Backoff::new(DELAYS, Jitter::Fifth, seed);
            for plain in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
                let (delay, plain) = (backoff.delay(), Span::millis(plain).0);
                assert!(
                    (plain / 10 * 8..=plain / 10 * 12).contains(&delay.0),
                    "{delay:?} is not about {plain}"
                );
            }
        }
    }

    #[test]
    fn spread_delays_fill_the_first_bound_and_later_the_upper_half() {
        let mut slices = [0; 10];
        for seed in 0..5_000 {
            let mut backoff = Backoff::new(DELAYS, Jitter::Spread, seed);
            let first = backoff.delay();
            slices[usize::try_from(first.0 * 10 / DELAYS.first.0).expect("below ten")] += 1;
            let second = backoff.delay();
            assert!((DELAYS.first..Span::millis(200)).contains(&second), "{second:?}");
        }
        assert!(slices.iter().all(|&count| (400..600).contains(&count)), "{slices:?}");
    }

    #[test]
    fn two_clients_that_fail_together_do_not_return_together() {
        let first = |seed| Backoff::new(DELAYS, Jitter::Fifth, seed).delay();
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn success_resets_the_delays() {
        let mut backoff = Backoff::new(DELAYS, Jitter::Fifth, 7);
        for _ in 0..20 {
            let _ = backoff.delay();
        }
        backoff.reset();
        assert!(backoff.delay() <= Span::millis(120));
    }
}
