//! Sequences that come again.

use crate::health::cutoff::MinEntropy;
use crate::memory::{MapError, Memory};

/// Bits of min-entropy in a sequence whose repetition is no chance: 2^-89 for each position.
const BITS: u32 = 89;
/// Samples that are compared with the sequence's first at once.
const LANE: usize = 32;

/// Remembers the first samples of every span, and searches for them in the rest of it, as Knuth, Morris and Pratt do. A
/// source that repeats itself after at most `span` samples less the length of the sequence is detected in the first span
/// that begins after it started to.
pub(super) struct RepeatSearch {
    span: usize,
    sequence: Memory,
    length: usize,
    /// For each length of a match, the next shorter one that the same samples make.
    shorter: Vec<usize>,
    /// Samples of this span so far.
    seen: usize,
    /// How many of the last samples match the front of the sequence.
    matched: usize,
}

impl RepeatSearch {
    /// `None` if the sequence would be too long for the span.
    pub(super) fn new(span: usize, h: MinEntropy) -> Result<Option<Self>, MapError> {
        let length = length_of(h);
        if length * 4 > span {
            return Ok(None);
        }
        let sequence = Memory::map(length)?;
        Ok(Some(Self { span, sequence, length, shorter: vec![0; length], seen: 0, matched: 0 }))
    }

    pub(super) fn try_clone(&self) -> Result<Self, MapError> {
        let (sequence, shorter) = (self.sequence.try_clone()?, self.shorter.clone());
        Ok(Self { sequence, shorter, ..*self })
    }

    pub(super) fn restart(&mut self) {
        zeroize::Zeroize::zeroize(self.sequence.bytes_mut());
        (self.seen, self.matched) = (0, 0);
    }

    /// The period of a repetition, and the index of the sample that completed it.
    #[inline(always)]
    pub(super) fn observe(&mut self, samples: &[u8]) -> Option<(usize, usize)> {
        let mut at = 0;
        while at < samples.len() {
            if self.seen < self.length {
                at += self.remember(&samples[at..]);
                continue;
            }
            let count = (self.span - self.seen).min(samples.len() - at);
            if let Some(found) = self.search(&samples[at..at + count]) {
                let period = self.seen + found + 1 - self.length;
                return Some((period, at + found));
            }
            at += count;
            self.seen += count;
            if self.seen == self.span {
                (self.seen, self.matched) = (0, 0);
            }
        }
        None
    }

    /// Takes samples of a new sequence; how many.
    fn remember(&mut self, samples: &[u8]) -> usize {
        let space = &mut self.sequence.bytes_mut()[self.seen..self.length];
        let count = space.len().min(samples.len());
        space[..count].copy_from_slice(&samples[..count]);
        self.seen += count;
        if self.seen == self.length {
            self.prepare();
        }
        count
    }

    /// The search begins behind the sequence's first sample, so that a period shorter than the sequence is found.
    fn prepare(&mut self) {
        let sequence = &self.sequence.bytes()[..self.length];
        let mut matched = 0;
        for at in 1..self.length {
            while matched > 0 && sequence[at] != sequence[matched] {
                matched = self.shorter[matched - 1];
            }
            matched += usize::from(sequence[at] == sequence[matched]);
            self.shorter[at] = matched;
        }
        self.matched = matched;
    }

    /// The index of the sample that completed the sequence.
    #[inline(always)]
    fn search(&mut self, samples: &[u8]) -> Option<usize> {
        let sequence = &self.sequence.bytes()[..self.length];
        let (first, mut matched, mut at) = (sequence[0], self.matched, 0);
        while at < samples.len() {
            if matched == 0 {
                at += skip(first, &samples[at..]);
                if at == samples.len() {
                    break;
                }
            }
            let sample = samples[at];
            while matched > 0 && sample != sequence[matched] {
                matched = self.shorter[matched - 1];
            }
            matched += usize::from(sample == sequence[matched]);
            if matched == self.length {
                return Some(at);
            }
            at += 1;
        }
        self.matched = matched;
        None
    }
}

/// Samples of a sequence whose repetition is no chance.
pub(super) fn length_of(h: MinEntropy) -> usize {
    (BITS * 1000).div_ceil(h.thousandths().into()) as usize
}

/// How many samples at the front are certainly not the wanted one.
#[inline(always)]
fn skip(wanted: u8, samples: &[u8]) -> usize {
    let (lanes, _) = samples.as_chunks::<LANE>();
    // Without a branch for each sample, so that one vector instruction compares many.
    let without =
        |lane: &&[u8; LANE]| lane.iter().fold(0, |any, sample| any | u8::from(*sample == wanted)) == 0;
    let skipped = lanes.iter().take_while(without).count() * LANE;
    let rest = samples[skipped..].iter().take(LANE);
    skipped + rest.take_while(|sample| **sample != wanted).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples(count: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn every_period_is_found_however_the_stream_is_cut() {
        for (period, cut) in [(1, 7), (2, 1), (5, 4096), (11, 3), (12, 100), (24, 24), (300, 7), (1000, 2048)]
        {
            let loops: Vec<u8> = samples(period, period as u64).into_iter().cycle().take(4096).collect();
            let mut search = RepeatSearch::new(1024, MinEntropy::FULL_BYTE).unwrap().unwrap();
            let found = loops.chunks(cut).enumerate().find_map(|(chunk, samples)| {
                search.observe(samples).map(|(period, at)| (period, chunk * cut + at))
            });
            assert_eq!(found, Some((period, period + 11)), "{period}");
        }
    }

    #[test]
    fn random_samples_do_not_repeat() {
        let mut search = RepeatSearch::new(16_384, MinEntropy::FULL_BYTE).unwrap().unwrap();
        assert_eq!(search.observe(&samples(1 << 20, 3)), None);
    }
}
