//! When a health test fails: the cutoffs of SP 800-90B 4.4.1 and 4.4.2.

use std::sync::{Mutex, PoisonError};

use super::MinEntropy;
use super::alarm_rate;
use super::binomial_tail::{Exponent, Tails};

/// The probability of a false alarm, 2^-exponent, for each sample (repetition count) or window (adaptive proportion).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alpha(u8);

impl Alpha {
    /// 2^-exponent, for an exponent of 20 to 80: from the loosest that SP 800-90B advises to what a permanent
    /// failure may ask for.
    pub const fn from_exponent(exponent: u8) -> Option<Self> {
        if matches!(exponent, 20..=80) { Some(Self(exponent)) } else { None }
    }

    /// The exponent, 20 to 80.
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// What a permanent failure takes where this takes an intermittent one: squared, within 2^-60 to 2^-80.
    const fn permanent(self) -> Self {
        match self.0 {
            0..=30 => Self(60),
            31..=39 => Self(self.0 * 2),
            _ => Self(80),
        }
    }
}

/// What one sample of a noise source is. Either way it is handed over as a `u8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// A bit: the value 0 or 1. Windows of 1,024.
    Bit,
    /// A byte. Windows of 512.
    Byte,
}

impl SampleKind {
    /// Samples in a window of the adaptive proportion test: SP 800-90B's *W*.
    pub const fn window(self) -> u32 {
        match self {
            Self::Bit => 1024,
            Self::Byte => 512,
        }
    }
}

/// What limits follow from.
type Asked = (SampleKind, MinEntropy, Option<u64>);

/// Limits that are kept: they are exact, which takes a millisecond, and the same sources are asked for again and again.
const REMEMBERED: usize = 32;

/// The counts at which the two tests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoffs {
    /// Equal samples in a row.
    pub repetition_count: u32,
    /// Samples of a window that equal its first, that one included.
    pub adaptive_proportion: u32,
}

impl Cutoffs {
    /// The exact cutoffs for samples of `h` at `alpha`.
    pub fn new(kind: SampleKind, h: MinEntropy, alpha: Alpha) -> Self {
        let tails = Tails::new(kind.window() - 1, exponent(h));
        Self::from_tails(kind, h, alpha, &tails)
    }

    fn from_tails(kind: SampleKind, h: MinEntropy, alpha: Alpha, tails: &Tails) -> Self {
        let crit = tails.critbinom(alpha.0).expect("decided for every H and alpha: see the tests");
        Self {
            repetition_count: repetition_count(exponent(h), alpha),
            // 2 + critbinom(W - 1), not 1 + critbinom(W) as published: the first sample always matches itself.
            // A test that cannot fail is no test, hence the cap.
            adaptive_proportion: (2 + crit).min(kind.window()),
        }
    }
}

/// The cutoffs of both grades of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What the samples are.
    pub kind: SampleKind,
    /// The false alarm probability of an intermittent failure.
    pub alpha: Alpha,
    /// Where an intermittent failure begins.
    pub intermittent: Cutoffs,
    /// Where a permanent failure begins; never below the intermittent one.
    pub permanent: Cutoffs,
}

impl Limits {
    /// The limits for a source that gives at most `samples_per_second`: the most sensitive tests with which a
    /// perfect source raises less than one false alarm in ten years. `None`, an unknown rate, takes the least sensitive.
    pub fn for_rate(kind: SampleKind, h: MinEntropy, samples_per_second: Option<u64>) -> Self {
        static KNOWN: Mutex<Vec<(Asked, Limits)>> = Mutex::new(Vec::new());
        let asked = (kind, h, samples_per_second);
        // Nothing in there is ever half changed.
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, limits)) = known().iter().find(|(known, _)| *known == asked) {
            return *limits;
        }
        let limits = Self::compute(kind, h, samples_per_second);
        let mut known = known();
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((asked, limits));
        limits
    }

    fn compute(kind: SampleKind, h: MinEntropy, samples_per_second: Option<u64>) -> Self {
        let tails = Tails::new(kind.window() - 1, exponent(h));
        let cutoffs = |alpha| Cutoffs::from_tails(kind, h, alpha, &tails);
        let quiet = |alpha: &Alpha| {
            samples_per_second
                .is_some_and(|rate| !alarm_rate::is_noisy(kind, h, cutoffs(*alpha), &tails, rate))
        };
        let alpha = [Alpha(20), Alpha(30), Alpha(40)].into_iter().find(quiet).unwrap_or(Alpha(60));
        Self { kind, alpha, intermittent: cutoffs(alpha), permanent: cutoffs(alpha.permanent()) }
    }
}

/// 2^-H, the probability of the likeliest sample.
pub(super) fn exponent(h: MinEntropy) -> Exponent {
    Exponent { numerator: h.tenths().into(), denominator: 10 }
}

/// 1 + ceil(a / H).
fn repetition_count(h: Exponent, alpha: Alpha) -> u32 {
    1 + (u32::from(alpha.0) * h.denominator).div_ceil(h.numerator)
}

#[cfg(test)]
#[path = "cutoff_golden.rs"]
mod golden;
