//! When a health test fails: the cutoffs of SP 800-90B 4.4.1 and 4.4.2.

use std::fmt;

use super::binomial_tail::{Exponent, Tails};

/// Assessed min-entropy of one sample, in thousandths of a bit: SP 800-90B's *H*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinEntropy(u16);

impl MinEntropy {
    /// Eight bits.
    pub const FULL_BYTE: Self = Self(8000);

    /// From thousandths of a bit; `None` outside 1 to 8,000.
    pub const fn from_thousandths(thousandths: u16) -> Option<Self> {
        if matches!(thousandths, 1..=8000) { Some(Self(thousandths)) } else { None }
    }

    /// Thousandths of a bit, 1 to 8,000.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// 2^-H, the probability of the most likely sample.
    pub(super) fn exponent(self) -> Exponent {
        Exponent { numerator: self.thousandths().into(), denominator: 1000 }
    }
}

/// In bits per byte, as in a manifest: `6`, `0.25`.
impl fmt::Display for MinEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
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
    /// The value 0 or 1.
    Bit,
    Byte,
}

impl SampleKind {
    /// Samples in a window of the adaptive proportion test: SP 800-90B's *W*, which 4.4.2 fixes at 1,024 bits or 512
    /// bytes.
    ///
    /// A source of so little min-entropy that a whole window of equal samples is likelier than the least alpha would raise
    /// false alarms there, or never one. Its window, an alternative as 4.5 allows it, is the first power of two with at least
    /// 400 bits of min-entropy: enough to detect, in half of the windows, that half of the min-entropy is gone, which is
    /// what 4.5 asks of an alternative.
    pub fn window(self, h: MinEntropy) -> u32 {
        const ENOUGH: u32 = 400_000;
        let standard: u32 = match self {
            Self::Bit => 1024,
            Self::Byte => 512,
        };
        let thousandths = u32::from(h.thousandths());
        if (standard - 1) * thousandths >= u32::from(Alpha::PERMANENT.exponent()) * 1000 {
            return standard;
        }
        ENOUGH.div_ceil(thousandths).next_power_of_two()
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
        Self::from_tails(h, alpha, &Tails::new(kind.window(h) - 1, h.exponent()))
    }

    pub(super) fn from_tails(h: MinEntropy, alpha: Alpha, tails: &Tails) -> Self {
        let crit = tails.critbinom(alpha.0).expect("decided for every H and alpha: see the tests");
        Self {
            repetition_count: repetition_count(h.exponent(), alpha),
            // 2 + critbinom(W - 1), not 1 + critbinom(W) as published: the first sample always matches itself.
            // At most the window, so that the test can fail: a window of equal samples is less likely than alpha.
            adaptive_proportion: 2 + crit,
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
