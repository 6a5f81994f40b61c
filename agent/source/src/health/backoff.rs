//! How long to leave a source alone that could not be read.

const MILLISECOND: u64 = 1_000_000;
const FIRST: u64 = 100 * MILLISECOND;
const LAST: u64 = 30_000 * MILLISECOND;

/// Waits of 100 ms, doubled each time up to 30 s, each up to a fifth longer or shorter, so that what failed
/// together is not tried again together.
#[derive(Clone, Debug)]
pub struct Backoff {
    tries: u32,
    dice: u64,
}

impl Backoff {
    /// `seed` tells apart those who fail at the same time; it need not be secret.
    pub fn new(seed: u64) -> Self {
        Self { tries: 0, dice: seed }
    }

    /// Nanoseconds to the next try.
    #[must_use]
    pub fn wait(&mut self) -> u64 {
        let wait = FIRST.checked_shl(self.tries.min(16)).map_or(LAST, |wait| wait.min(LAST));
        self.tries = self.tries.saturating_add(1);
        // 800 to 1,200 thousandths. The bias of the remainder does not matter for spreading load.
        wait / 1000 * (800 + self.roll() % 401)
    }

    /// The next wait is the first again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// splitmix64: evenly spread, and nobody needs to be surprised by it.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_thirty_seconds_within_a_fifth() {
        for seed in 0..1000 {
            let mut backoff = Backoff::new(seed);
            for plain in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
                let (wait, plain) = (backoff.wait(), plain * MILLISECOND);
                assert!((plain / 10 * 8..=plain / 10 * 12).contains(&wait), "{wait} is not about {plain}");
            }
        }
    }

    #[test]
    fn two_sources_that_fail_together_do_not_return_together() {
        assert_ne!(Backoff::new(1).wait(), Backoff::new(2).wait());
    }

    #[test]
    fn success_starts_the_waits_anew() {
        let mut backoff = Backoff::new(7);
        for _ in 0..20 {
            let _ = backoff.wait();
        }
        backoff.reset();
        assert!(backoff.wait() <= 120 * MILLISECOND);
    }
}
