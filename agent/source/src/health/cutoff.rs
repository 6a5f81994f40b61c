//! When a health test fails: the cutoffs of SP 800-90B 4.4.1 and 4.4.2.

use super::binomial_tail::{Exponent, Tails};

/// Assessed min-entropy of one sample, in tenths of a bit: SP 800-90B's *H*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinEntropy(u8);

impl MinEntropy {
    /// Eight bits.
    pub const FULL_BYTE: Self = Self(80);

    /// From tenths of a bit; `None` outside 1 to 80.
    pub const fn from_tenths(tenths: u8) -> Option<Self> {
        if matches!(tenths, 1..=80) { Some(Self(tenths)) } else { None }
    }

    /// Tenths of a bit, 1 to 80.
    pub const fn tenths(self) -> u8 {
        self.0
    }

    /// 2^-H, the probability of the most likely sample.
    pub(super) fn exponent(self) -> Exponent {
        Exponent { numerator: self.tenths().into(), denominator: 10 }
    }
}

/// The probability of a false alarm, 2^-exponent, for each sample (repetition count) or window (adaptive proportion).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alpha(u8);

impl Alpha {
    /// Of intermittent failures.
    pub const INTERMITTENT: Self = Self(60);
    /// Of permanent failures.
    pub const PERMANENT: Self = Self(80);

    /// 2^-exponent, for an exponent of 20 to 80: from the loosest that SP 800-90B recommends to the least sensitive
    /// for a permanent failure.
    pub const fn from_exponent(exponent: u8) -> Option<Self> {
        if matches!(exponent, 20..=80) { Some(Self(exponent)) } else { None }
    }

    /// The exponent, 20 to 80.
    pub const fn exponent(self) -> u8 {
        self.0
    }
}

/// The type of one sample of a noise source. Either type is passed as a `u8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// The value 0 or 1. Windows of 1,024.
    Bit,
    /// Windows of 512.
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
        let tails = Tails::new(kind.window() - 1, h.exponent());
        Self::from_tails(kind, h, alpha, &tails)
    }

    pub(super) fn from_tails(kind: SampleKind, h: MinEntropy, alpha: Alpha, tails: &Tails) -> Self {
        let crit = tails.critbinom(alpha.0).expect("decided for every H and alpha: see the tests");
        Self {
            repetition_count: repetition_count(h.exponent(), alpha),
            // 2 + critbinom(W - 1), not 1 + critbinom(W) as published: the first sample always matches itself.
            // Capped, so that the test can fail.
            adaptive_proportion: (2 + crit).min(kind.window()),
        }
    }
}

/// 1 + ceil(a / H).
fn repetition_count(h: Exponent, alpha: Alpha) -> u32 {
    1 + (u32::from(alpha.0) * h.denominator).div_ceil(h.numerator)
}

#[cfg(test)]
#[path = "cutoff_tests.rs"]
mod tests;
