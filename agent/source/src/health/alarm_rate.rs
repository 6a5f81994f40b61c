//! How often a perfect source would raise an alarm.

use num_bigint::BigUint;

use super::binomial_tail::{Exponent, Tails, at_least_one};
use super::cutoff::exponent;
use super::{Cutoffs, MinEntropy, SampleKind};

/// Ten years of 365.25 days.
const TEN_YEARS_IN_SECONDS: u64 = 315_576_000;

/// Whether a perfect source of `rate` samples a second may raise an alarm or more in ten years.
pub(super) fn is_noisy(kind: SampleKind, h: MinEntropy, cutoffs: Cutoffs, tails: &Tails, rate: u64) -> bool {
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
    let Exponent { numerator, denominator } = exponent(h);
    let power = |times: u32| Exponent { numerator: numerator * times, denominator }.enclose();
    power(cutoff - 1).high - power(cutoff).low
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::health::{Alpha, Limits};

    /// Alarms in a day at a million bytes a second and H = 8: of the sum of both tests, as the two published
    /// columns give them.
    const A_DAY: [(u8, f64); 4] =
        [(20, 5130.0 + 31.0), (30, 20.0 + 0.066), (40, 0.078 + 8e-5), (60, 4.7e-9 + 3e-11)];

    #[test]
    fn false_alarms_of_a_perfect_source_are_as_computed_elsewhere() {
        let (kind, h) = (SampleKind::Byte, MinEntropy::FULL_BYTE);
        let tails = Tails::new(kind.window() - 1, exponent(h));
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
    fn sixty_four_bytes_a_day_take_the_most_sensitive_tests_that_stay_quiet() {
        // One sample in two minutes would already alarm once in ten years at 2^-20 and H = 8.
        assert_eq!(Limits::for_rate(SampleKind::Byte, MinEntropy::FULL_BYTE, Some(0)).alpha.exponent(), 20);
    }
}
