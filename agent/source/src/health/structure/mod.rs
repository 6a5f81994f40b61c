//! Tests for structure that the two tests of SP 800-90B 4.4 cannot detect: loops, correlation at a lag, bits that stick
//! or lean, linear recurrences, common values, and failed blocks.
//!
//! SP 800-90B 4.5 asks developers to add tests for the failures of their source; these are for failures that any source
//! may have. All of them compare the samples with the claimed min-entropy *H* alone. If every sample has min-entropy *H*
//! given all samples before it, then
//! - it equals any value predicted from those before with a probability of at most 2^-H: the lag predictor of 6.3.8, the
//!   most common value of 6.3.1, and a repeated sequence;
//! - one of its bits equals a predicted bit with a probability of at most 2^(7-H), which says something if H > 7. So a
//!   bit lane does not follow a shift register much shorter than half of its bits (the linear complexity of SP 800-22
//!   2.10).
//!
//! Cutoffs are by Chernoff's bound, which needs no independence beyond that: 2^-84 for each count, 2^-89 for each
//! repeated sequence. At 2^30 samples a second, faster than any source, these are less than 2^40 and 2^49 comparisons a
//! day for each kind of test, so that a source which keeps its claim raises an alarm with a probability below 2^-40 a
//! day. No cutoff depends on the capacity of the source.

#![allow(clippy::inline_always)] // Compiled once more for processors with wider vectors.

mod bits;
mod cutoffs;
mod finding;
mod history;
mod laps;
mod linear;
mod repeats;
mod starts;

use std::fmt;

pub(super) use self::bits::WINDOW;
use self::bits::{LONG, OF};
use self::cutoffs::Cutoffs;
pub(super) use self::cutoffs::window_cutoff;
pub use self::finding::Structure;
pub(super) use self::history::History;
use self::laps::LapSearch;
use self::repeats::RepeatSearch;
use self::starts::Starts;
use super::cutoff::MinEntropy;
use crate::fips::{BLOCK, BlockTests};
use crate::memory::{MapError, Memory};

/// The largest lag of the correlation tests: so many samples are kept from the window before.
const MAX_LAG: usize = 1024;
/// Lags of every window; the others follow one another.
const FIXED_LAGS: [usize; 4] = [1, 2, 3, 4];
/// One window in so many is tested for a linear recurrence, in one bit lane after the other, which saves time.
const LINEAR: u32 = 32;
/// One window in so many is used for the estimate, which saves time.
const ESTIMATED: u32 = 4;
/// Spans in which sequences are searched for: a loop is detected in at most two of the shortest span that holds it, and
/// the longest holds 65,536 samples twice.
const SPANS: [usize; 3] = [1024, 16_384, 131_072];
/// Failed blocks of the last sixteen at which the FIPS 140-2 tests fail: about one good block in 1,250 fails, so this is
/// below 2^-78.
const FAILED_BLOCKS: u32 = 9;

/// The tests, with the samples that they still need in locked memory.
pub struct StructureTests {
    h: MinEntropy,
    cutoffs: Cutoffs,
    repeats: Vec<RepeatSearch>,
    starts: Starts,
    /// The last samples of the window before, then those of this window.
    samples: Memory,
    level: usize,
    laps: LapSearch,
    /// Windows since the start.
    windows: u32,
    /// Ones of each bit in the windows of the long window.
    ones: [u32; 8],
    /// How often each value came in the windows that are used for the estimate.
    histogram: Box<[u32; 256]>,
    histogram_windows: u32,
    /// Which of the last sixteen blocks failed.
    failed_blocks: u16,
    estimate: Option<f64>,
}

impl StructureTests {
    pub(crate) fn new(h: MinEntropy) -> Result<Self, MapError> {
        Ok(Self {
            h,
            cutoffs: Cutoffs::new(h),
            repeats: SPANS
                .into_iter()
                .filter_map(|span| RepeatSearch::new(span, h).transpose())
                .collect::<Result<_, _>>()?,
            starts: Starts::new(h)?,
            samples: Memory::map(MAX_LAG + WINDOW)?,
            level: 0,
            laps: LapSearch::new()?,
            windows: 0,
            ones: [0; 8],
            histogram: Box::new([0; 256]),
            histogram_windows: 0,
            failed_blocks: 0,
            estimate: None,
        })
    }

    /// The same tests with the samples that they have seen.
    pub(crate) fn try_clone(&self) -> Result<Self, MapError> {
        let repeats = self.repeats.iter().map(RepeatSearch::try_clone).collect::<Result<_, _>>()?;
        Ok(Self {
            cutoffs: Cutoffs::new(self.h),
            repeats,
            starts: self.starts.try_clone()?,
            samples: self.samples.try_clone()?,
            laps: self.laps.try_clone()?,
            histogram: self.histogram.clone(),
            ..*self
        })
    }

    /// Estimated bits of min-entropy of a sample, by the most common value (SP 800-90B 6.3.1) of the last 65,536 samples
    /// that were used for it: an upper bound, as every estimate is.
    pub fn estimate(&self) -> Option<f64> {
        self.estimate
    }

    /// The source was opened again. It must not begin as before.
    pub(crate) fn reopened(&mut self) {
        self.restart();
        self.starts.begin();
    }

    /// Forgets what the source gave at its starts too.
    pub(crate) fn forget(&mut self) {
        self.restart();
        self.starts.forget();
    }

    /// Forgets all samples: those that come next do not follow them.
    pub(crate) fn restart(&mut self) {
        self.repeats.iter_mut().for_each(RepeatSearch::restart);
        zeroize::Zeroize::zeroize(self.samples.bytes_mut());
        self.laps.restart();
        (self.level, self.windows, self.ones) = (0, 0, [0; 8]);
        self.histogram.fill(0);
        (self.histogram_windows, self.failed_blocks, self.estimate) = (0, 0, None);
    }

    /// Tests every sample, in order; the index of the sample at which structure was detected.
    pub fn observe(&mut self, samples: &[u8]) -> Option<(Structure, usize)> {
        if let Some(at) = self.starts.observe(samples) {
            return Some((Structure::Restart, at));
        }
        let repeat = bits::with_fastest_instructions(&mut self.repeats, |repeats| {
            repeats.iter_mut().filter_map(|search| search.observe(samples)).min_by_key(|found| found.1)
        });
        if let Some((period, at)) = repeat {
            return Some((Structure::Loop { period }, at));
        }
        let mut taken = 0;
        while taken < samples.len() {
            let space = &mut self.samples.bytes_mut()[self.level..MAX_LAG + WINDOW];
            let count = space.len().min(samples.len() - taken);
            space[..count].copy_from_slice(&samples[taken..taken + count]);
            self.level += count;
            taken += count;
            let is_complete = self.level == MAX_LAG + WINDOW;
            if let Some(found) = is_complete.then(|| self.observe_window()).flatten() {
                return Some((found, taken - 1));
            }
        }
        None
    }

    fn observe_window(&mut self) -> Option<Structure> {
        let found = bits::with_fastest_instructions(self, Self::test_window);
        self.samples.bytes_mut().copy_within(WINDOW.., 0);
        self.level = MAX_LAG;
        self.windows = self.windows.wrapping_add(1);
        found
    }

    #[inline(always)]
    fn test_window(&mut self) -> Option<Structure> {
        self.test_lags()
            .or_else(|| self.test_bits())
            .or_else(|| self.test_lag_bits())
            .or_else(|| self.test_laps())
            .or_else(|| self.test_recurrence())
            .or_else(|| self.test_common_value())
            .or_else(|| self.test_block())
    }

    /// The samples of the window, and the same number of samples `lag` before.
    fn window(&self, lag: usize) -> (&[u8], &[u8]) {
        let samples = &self.samples.bytes()[..MAX_LAG + WINDOW];
        (&samples[MAX_LAG..], &samples[MAX_LAG - lag..MAX_LAG - lag + WINDOW])
    }

    #[inline(always)]
    fn test_lags(&self) -> Option<Structure> {
        // Four lags of the others: all are tested in 255 windows.
        let moving = FIXED_LAGS.len() + 1 + 4 * (self.windows as usize % 255);
        for lag in FIXED_LAGS.into_iter().chain(moving..moving + 4) {
            let (samples, before) = self.window(lag.min(MAX_LAG));
            let count = bits::equal(samples, before);
            if count >= self.cutoffs.window_value {
                return Some(Structure::Lag { lag, count });
            }
        }
        None
    }

    #[inline(always)]
    fn test_bits(&mut self) -> Option<Structure> {
        let (cutoff, long_cutoff) = (self.cutoffs.window_bit?, self.cutoffs.long_bit?);
        let ones = bits::ones(self.window(0).0);
        let of = OF;
        self.ones.iter_mut().zip(ones).for_each(|(sum, ones)| *sum += ones);
        let stuck = (0..8u8).zip(ones).find_map(|(bit, ones)| {
            let count = ones.max(of - ones);
            (count >= cutoff).then_some(Structure::Bit { bit, count, of })
        });
        if stuck.is_some() || self.windows % LONG != LONG - 1 {
            return stuck;
        }
        let (sums, of) = (std::mem::take(&mut self.ones), of * LONG);
        (0..8u8).zip(sums).find_map(|(bit, ones)| {
            let count = ones.max(of - ones);
            (count >= long_cutoff).then_some(Structure::Bit { bit, count, of })
        })
    }

    #[inline(always)]
    fn test_lag_bits(&self) -> Option<Structure> {
        let cutoff = self.cutoffs.window_bit?;
        // Every other lag is a power of two, where the low bits of counters and congruential generators repeat.
        let turn = self.windows as usize / 2;
        let moving = if self.windows.is_multiple_of(2) { 2 << (turn % 10) } else { 2 + turn % (MAX_LAG - 1) };
        for lag in [1, moving.min(MAX_LAG)] {
            let (samples, before) = self.window(lag);
            let equal = bits::equal_bits(samples, before);
            for (bit, equal) in (0..8u8).zip(equal) {
                let count = equal.max(OF - equal);
                if count >= cutoff {
                    return Some(Structure::LagBit { lag, bit, count });
                }
            }
        }
        None
    }

    #[inline(always)]
    fn test_laps(&mut self) -> Option<Structure> {
        let window = &self.samples.bytes()[MAX_LAG..MAX_LAG + WINDOW];
        let (lag, count) = self.laps.observe(window, self.cutoffs.window_value)?;
        Some(Structure::Lag { lag: usize::try_from(lag).unwrap_or(usize::MAX), count })
    }

    #[inline(always)]
    fn test_recurrence(&self) -> Option<Structure> {
        let longest = self.cutoffs.register?;
        if !self.windows.is_multiple_of(LINEAR) {
            return None;
        }
        let bit = (self.windows / LINEAR % 8) as u8;
        let length = linear::complexity(self.samples.bytes()[MAX_LAG..].first_chunk()?, bit);
        (length <= longest).then_some(Structure::Recurrence { bit, length })
    }

    /// One window in four: the estimate costs more than the other tests.
    fn test_common_value(&mut self) -> Option<Structure> {
        if !self.windows.is_multiple_of(ESTIMATED) {
            return None;
        }
        let counts = bits::histogram(self.window(0).0);
        let count = counts.iter().copied().max().unwrap_or(0);
        if count >= self.cutoffs.window_value {
            return Some(Structure::CommonValue { count, of: OF });
        }
        self.histogram.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.histogram_windows += 1;
        if self.histogram_windows < LONG {
            return None;
        }
        let count = self.histogram.iter().copied().max().unwrap_or(0);
        self.histogram.fill(0);
        self.histogram_windows = 0;
        let of = LONG * OF;
        self.estimate = Some(cutoffs::most_common_value(count, of));
        (count >= self.cutoffs.long_value).then_some(Structure::CommonValue { count, of })
    }

    /// One block in every other window, which saves time.
    #[inline(always)]
    fn test_block(&mut self) -> Option<Structure> {
        const SEVEN_BITS: MinEntropy = MinEntropy::from_thousandths(7000).expect("within 1 to 8000");
        if self.h < SEVEN_BITS || !self.windows.is_multiple_of(2) {
            return None;
        }
        let samples = self.samples.bytes();
        let reference = samples[MAX_LAG - 4..].first_chunk()?;
        let block: &[u8; BLOCK] = samples[MAX_LAG..].first_chunk()?;
        let passed = BlockTests::new(*reference).test_inline(block).passed();
        self.failed_blocks = self.failed_blocks << 1 | u16::from(!passed);
        let failed = self.failed_blocks.count_ones();
        (failed >= FAILED_BLOCKS).then_some(Structure::Blocks { failed })
    }
}

impl fmt::Debug for StructureTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StructureTests").field("h", &self.h).finish_non_exhaustive()
    }
}
