//! The first samples after each start: a source that begins with the same ones again is no noise source.
//!
//! SP 800-90B 3.1.4 asks for it with 1,000 restarts in a laboratory; this remembers the last few of the real ones.

use zeroize::Zeroize;

use super::repeats::length_of;
use crate::health::cutoff::MinEntropy;
use crate::memory::{MapError, Memory};

/// Starts that are remembered.
const KEPT: usize = 8;

/// The beginnings of the last starts in locked memory, one after the other.
pub(super) struct Starts {
    all: Memory,
    length: usize,
    /// Starts that are complete, and where the next one goes.
    complete: usize,
    next: usize,
    /// Samples of the next start.
    seen: usize,
}

impl Starts {
    pub(super) fn new(h: MinEntropy) -> Result<Self, MapError> {
        let length = length_of(h);
        Ok(Self { all: Memory::map(KEPT * length)?, length, complete: 0, next: 0, seen: 0 })
    }

    pub(super) fn try_clone(&self) -> Result<Self, MapError> {
        Ok(Self { all: self.all.try_clone()?, ..*self })
    }

    /// The source was opened again.
    pub(super) fn begin(&mut self) {
        if self.seen == self.length {
            self.complete = KEPT.min(self.complete + 1);
            self.next = (self.next + 1) % KEPT;
        }
        self.seen = 0;
    }

    /// Forgets all starts.
    pub(super) fn forget(&mut self) {
        self.all.bytes_mut().zeroize();
        (self.complete, self.next, self.seen) = (0, 0, 0);
    }

    /// The index of the sample at which it is clear that an earlier start began with the same samples.
    pub(super) fn observe(&mut self, samples: &[u8]) -> Option<usize> {
        let missing = self.length - self.seen;
        let taken = missing.min(samples.len());
        if taken == 0 {
            return None;
        }
        let at = self.next * self.length + self.seen;
        self.all.bytes_mut()[at..at + taken].copy_from_slice(&samples[..taken]);
        self.seen += taken;
        (taken == missing && self.is_repeated()).then_some(taken - 1)
    }

    fn is_repeated(&self) -> bool {
        let start = |at: usize| &self.all.bytes()[at * self.length..(at + 1) * self.length];
        // All others are complete or zero; the next overwrites the oldest.
        (1..=self.complete.min(KEPT - 1))
            .any(|ago| start((self.next + KEPT - ago) % KEPT) == start(self.next))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_start_that_comes_again_is_found_however_it_is_cut() {
        for cut in [1, 5, 100] {
            let mut starts = Starts::new(MinEntropy::FULL_BYTE).unwrap();
            for start in [3_u8, 4, 5, 6, 7, 8, 9] {
                starts.begin();
                assert!([start; 100].chunks(cut).all(|samples| starts.observe(samples).is_none()));
            }
            starts.begin();
            let found = [3; 100]
                .chunks(cut)
                .enumerate()
                .find_map(|(chunk, samples)| starts.observe(samples).map(|at| chunk * cut + at));
            assert_eq!(found, Some(11));
        }
    }

    #[test]
    fn a_start_of_too_few_samples_is_no_start() {
        let mut starts = Starts::new(MinEntropy::FULL_BYTE).unwrap();
        for _ in 0..20 {
            starts.begin();
            assert_eq!(starts.observe(&[1; 11]), None);
        }
        assert_eq!(starts.observe(&[1]), None, "no other was complete");
    }
}
