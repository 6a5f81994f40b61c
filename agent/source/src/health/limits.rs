//! The cutoffs of a source, chosen by how often a perfect source of its rate would raise an alarm.

use std::sync::{Mutex, PoisonError};

use num_bigint::BigUint;

use super::binomial_tail::{Exponent, Tails, at_least_one};
use super::cutoff::{Alpha, Cutoffs, MinEntropy, SampleKind};

/// Ten years of 365.25 days.
const TEN_YEARS_IN_SECONDS: u64 = 315_576_000;

/// Limits that are cached: exact arithmetic takes a millisecond, and the same sources are configured again and again.
const CACHE_SIZE: usize = 32;

/// The cutoffs for failures of both severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub kind: SampleKind,
    /// The false alarm probability of an intermittent failure.
    pub alpha: Alpha,
    pub intermittent: Cutoffs,
    /// Never below the intermittent cutoffs.
    pub permanent: Cutoffs,
}

/// The parameters that limits follow from.
type Parameters = (SampleKind, MinEntropy, Option<u64>);

impl Limits {
    /// The limits for a source of at most `samples_per_second`: the most sensitive tests with which a perfect source
    /// raises less than one false alarm in ten years. `None`, an unknown rate, takes the least sensitive.
    pub fn for_rate(kind: SampleKind, h: MinEntropy, samples_per_second: Option<u64>) -> Self {
        static CACHE: Mutex<Vec<(Parameters, Limits)>> = Mutex::new(Vec::new());
        let parameters = (kind, h, samples_per_second);
        // Consistent after every statement, so a poisoned lock does not matter.
        let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, limits)) = cache().iter().find(|(cached, _)| *cached == parameters) {
            return *limits;
        }
        let limits = Self::compute(kind, h, samples_per_second);
        let mut cache = cache();
        if cache.len() == CACHE_SIZE {
            cache.remove(0);
        }
        cache.push((parameters, limits));
        limits
    }

    fn compute(kind: SampleKind, h: MinEntropy, samples_per_second: Option<u64>) -> Self {
        let tails = Tails::new(kind.window() - 1, h.exponent());
        let cutoffs = |alpha| Cutoffs::from_tails(kind, h, alpha, &tails);
        let is_quiet = |alpha: &Alpha| {
            samples_per_second.is_some_and(|rate| !may_alarm(kind, h, cutoffs(*alpha), &tails, rate))
        };
        let alpha = Alpha::INTERMITTENT.into_iter().find(is_quiet).unwrap_or(Alpha::LEAST_SENSITIVE);
        Self { kind, alpha, intermittent: cutoffs(alpha), permanent: cutoffs(alpha.permanent()) }
    }
}

/// Whether a perfect source of `rate` samples a second is expected to raise one alarm or more in ten years.
fn may_alarm(kind: SampleKind, h: MinEntropy, cutoffs: Cutoffs, tails: &Tails, rate: u64) -> bool {
    at_least_one(&alarms(kind, h, cutoffs, tails, rate, TEN_YEARS_IN_SECONDS))
}

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
    let windows = (&samples * window + (kind.window() - 1)) / kind.window();
    samples * run_starts(h, cutoffs.repetition_count) + windows
}

/// An upper bound of the probability that a run which reaches C begins at a given sample: p^(C-1) · (1 - p).
fn run_starts(h: MinEntropy, cutoff: u32) -> BigUint {
    let Exponent { numerator, denominator } = h.exponent();
    let power = |times: u32| Exponent { numerator: numerator * times, denominator }.enclose();
    power(cutoff - 1).high - power(cutoff).low
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Alarms in a day at a million bytes a second and H = 8: of the sum of both tests, as the two published
    /// columns give them.
    const A_DAY: [(u8, f64); 4] =
        [(20, 5130.0 + 31.0), (30, 20.0 + 0.066), (40, 0.078 + 8e-5), (60, 4.7e-9 + 3e-11)];

    #[test]
    fn false_alarms_of_a_perfect_source_are_as_computed_elsewhere() {
        let (kind, h) = (SampleKind::Byte, MinEntropy::FULL_BYTE);
        let tails = Tails::new(kind.window() - 1, h.exponent());
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
    fn alpha_follows_the_rate() {
        let alpha = |rate| Limits::for_rate(SampleKind::Byte, MinEntropy::FULL_BYTE, rate).alpha.exponent();
        assert_eq!(alpha(Some(1)), 30);
        assert_eq!(alpha(Some(1_000)), 40);
        assert_eq!(alpha(Some(1_000_000)), 60);
        assert_eq!(alpha(Some(u64::MAX)), 60);
        assert_eq!(alpha(None), 60);
    }

    #[test]
    fn the_slowest_source_takes_the_most_sensitive_tests() {
        // One sample in two minutes would already alarm once in ten years at 2^-20 and H = 8.
        assert_eq!(Limits::for_rate(SampleKind::Byte, MinEntropy::FULL_BYTE, Some(0)).alpha.exponent(), 20);
    }

    #[test]
    fn permanent_limits_are_never_below_the_intermittent_ones() {
        for (tenths, rate) in [(1, Some(1)), (10, Some(1_000)), (35, None), (80, Some(64)), (80, None)] {
            let h = MinEntropy::from_tenths(tenths).unwrap();
            let Limits { intermittent, permanent, .. } = Limits::for_rate(SampleKind::Byte, h, rate);
            assert!(permanent.repetition_count > intermittent.repetition_count);
            assert!(permanent.adaptive_proportion >= intermittent.adaptive_proportion);
        }
    }
}
