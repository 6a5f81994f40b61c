//! The cutoffs of a source, and how often a perfect source would reach them.

use std::sync::{Mutex, PoisonError};

use super::binomial_tail::Tails;
use super::cutoff::{Alpha, Cutoffs, MinEntropy, SampleKind};

/// Limits that are cached: exact arithmetic takes a millisecond, and the same sources are configured again and again.
const CACHE_SIZE: usize = 32;

/// The cutoffs for failures of both severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub kind: SampleKind,
    /// Samples in a window of the adaptive proportion test.
    pub window: u32,
    /// The claimed min-entropy.
    pub h: MinEntropy,
    pub intermittent: Cutoffs,
    /// Never below the intermittent cutoffs.
    pub permanent: Cutoffs,
}

impl Limits {
    /// The limits at an alpha of 2^-60 for an intermittent failure and 2^-80 for a permanent one, whatever the capacity of
    /// the source: a perfect source of a million bytes a second raises 5·10^-9 intermittent alarms a day.
    pub fn new(kind: SampleKind, h: MinEntropy) -> Self {
        static CACHE: Mutex<Vec<Limits>> = Mutex::new(Vec::new());
        // Consistent after every statement, so a poisoned lock does not matter.
        let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limits) = cache().iter().find(|cached| (cached.kind, cached.h) == (kind, h)) {
            return *limits;
        }
        let limits = Self::with_alpha(kind, h, Alpha::INTERMITTENT, Alpha::PERMANENT);
        let mut cache = cache();
        if cache.len() == CACHE_SIZE {
            cache.remove(0);
        }
        cache.push(limits);
        limits
    }

    /// The limits at other alphas.
    pub fn with_alpha(kind: SampleKind, h: MinEntropy, intermittent: Alpha, permanent: Alpha) -> Self {
        let window = kind.window(h);
        let tails = Tails::new(window - 1, h.exponent());
        let cutoffs = |alpha| Cutoffs::from_tails(h, alpha, &tails);
        Self { kind, window, h, intermittent: cutoffs(intermittent), permanent: cutoffs(permanent) }
    }

    /// Consecutive samples of the start-up test: the 1,024 of SP 800-90B 4.3, and so many that either test can fail in it.
    pub fn start_up(&self) -> usize {
        1024.max(self.window).max(self.permanent.repetition_count) as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use num_bigint::BigUint;

    use super::*;
    use crate::health::binomial_tail::Exponent;

    /// An upper bound of the expected alarms in `seconds`, in units of 2^-2048.
    fn alarms(
        kind: SampleKind,
        h: MinEntropy,
        cutoffs: Cutoffs,
        tails: &Tails,
        rate: u64,
        seconds: u64,
    ) -> BigUint {
        let samples = BigUint::from(rate) * seconds;
        // A window fails when C - 1 of the W - 1 samples after its first equal it: P[X > C - 2].
        let window = tails.above(cutoffs.adaptive_proportion - 2);
        let windows = (&samples * window + (kind.window(h) - 1)) / kind.window(h);
        samples * run_starts(h, cutoffs.repetition_count) + windows
    }

    /// An upper bound of the probability that a run which reaches C begins at a given sample: p^(C-1) · (1 - p).
    fn run_starts(h: MinEntropy, cutoff: u32) -> BigUint {
        let Exponent { numerator, denominator } = h.exponent();
        let power = |times: u32| Exponent { numerator: numerator * times, denominator }.enclose();
        power(cutoff - 1).high - power(cutoff).low
    }

    /// Alarms in a day at a million bytes a second and H = 8: of the sum of both tests, as the two published
    /// columns give them.
    const A_DAY: [(u8, f64); 4] =
        [(20, 5130.0 + 31.0), (30, 20.0 + 0.066), (40, 0.078 + 8e-5), (60, 4.7e-9 + 3e-11)];

    #[test]
    fn false_alarms_of_a_perfect_source_are_as_computed_elsewhere() {
        let (kind, h) = (SampleKind::Byte, MinEntropy::FULL_BYTE);
        let tails = Tails::new(kind.window(h) - 1, h.exponent());
        for (alpha, expected) in A_DAY {
            let cutoffs = Cutoffs::new(kind, h, Alpha::from_exponent(alpha).unwrap());
            let alarms = alarms(kind, h, cutoffs, &tails, 1_000_000, 86_400);
            let alarms: f64 = (alarms >> (2048 - 60u32)).to_string().parse::<f64>().unwrap() / 2f64.powi(60);
            assert!(
                (alarms / expected - 1.0).abs() < 0.03,
                "alpha {alpha}: {alarms} is not about {expected}"
            );
        }
    }

    #[test]
    fn permanent_limits_are_never_below_the_intermittent_ones() {
        for thousandths in [1, 100, 1000, 3500, 8000] {
            let h = MinEntropy::from_thousandths(thousandths).unwrap();
            let Limits { intermittent, permanent, .. } = Limits::new(SampleKind::Byte, h);
            assert!(permanent.repetition_count > intermittent.repetition_count);
            assert!(permanent.adaptive_proportion >= intermittent.adaptive_proportion);
        }
    }

    #[test]
    fn either_test_can_fail_in_the_start_up_test() {
        for (thousandths, samples) in [(8000, 1024), (157, 1024), (156, 4096), (100, 4096), (1, 524_288)] {
            let limits = Limits::new(SampleKind::Byte, MinEntropy::from_thousandths(thousandths).unwrap());
            assert_eq!(limits.start_up(), samples, "{thousandths}");
            assert!(limits.permanent.repetition_count as usize <= samples);
        }
    }
}
