//! Sources of one pool whose samples are the same: one copies the other, or both copy a third.
//!
//! A pool counts the min-entropy of each of its sources. If a sample has min-entropy *H* given all samples of both sources
//! before it, it equals a predicted one with a probability of at most 2^-H, wherever the prediction is from.

use super::cutoff::MinEntropy;
use super::structure::{History, WINDOW, window_cutoff};
use crate::memory::{MapError, Memory};

/// Pairs of positions that wait to be compared; a newer one replaces the oldest.
const CANDIDATES: usize = 16;

/// The last samples of the sources of one pool.
pub(crate) struct Ties {
    sources: Vec<TiedSource>,
    candidates: Vec<Candidate>,
}

struct TiedSource {
    history: History,
    /// Samples of an incomplete window.
    samples: Memory,
    level: usize,
    /// Equal samples of a window that are no chance.
    cutoff: u32,
    /// How many samples of a window equalled another source's, until this is told.
    tied: Option<u32>,
}

/// From these positions on the samples of two sources may be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    one: (usize, u64),
    other: (usize, u64),
}

impl Ties {
    /// For sources of these claims.
    pub(crate) fn new(claims: &[MinEntropy]) -> Result<Self, MapError> {
        let source = |claim: &MinEntropy| {
            Ok(TiedSource {
                history: History::new()?,
                samples: Memory::map(WINDOW)?,
                level: 0,
                cutoff: window_cutoff(*claim),
                tied: None,
            })
        };
        Ok(Self { sources: claims.iter().map(source).collect::<Result<_, _>>()?, candidates: vec![] })
    }

    /// Tests samples of one of the sources. Returns how many samples of a window equalled those of another one, to the one
    /// that comes later in the pool: the other one is worth what it claims without it.
    pub(crate) fn observe(&mut self, source: usize, samples: &[u8]) -> Option<u32> {
        let mut taken = 0;
        while taken < samples.len() {
            let TiedSource { samples: window, level, .. } = &mut self.sources[source];
            let count = (WINDOW - *level).min(samples.len() - taken);
            window.bytes_mut()[*level..*level + count].copy_from_slice(&samples[taken..taken + count]);
            *level += count;
            taken += count;
            if *level == WINDOW {
                self.observe_window(source);
            }
        }
        self.sources[source].tied.take()
    }

    fn observe_window(&mut self, source: usize) {
        let TiedSource { history, samples, level, .. } = &mut self.sources[source];
        *level = 0;
        history.push(&samples.bytes()[..WINDOW]);
        history.index();
        self.compare();
        self.search(source);
    }

    /// Compares the samples behind those that made a pair of positions a candidate.
    fn compare(&mut self) {
        let Self { sources, candidates } = self;
        candidates.retain(|candidate| {
            let (one, other) = (candidate.one, candidate.other);
            let histories = [&sources[one.0].history, &sources[other.0].history];
            if histories[0].end() < one.1 + WINDOW as u64 || histories[1].end() < other.1 + WINDOW as u64 {
                return true;
            }
            if histories[0].remembers(one.1, WINDOW) && histories[1].remembers(other.1, WINDOW) {
                let count = histories[0].equal_in(one.1, histories[1], other.1);
                // By the claim of either: it is enough that one of them breaks it.
                if count >= sources[one.0].cutoff.min(sources[other.0].cutoff) {
                    sources[one.0.max(other.0)].tied = Some(count);
                }
            }
            false
        });
    }

    /// Looks for pieces of the source's last window in what the others gave.
    fn search(&mut self, source: usize) {
        let Self { sources, candidates } = self;
        let (end, window) = (sources[source].history.end(), sources[source].samples.bytes());
        for (at, other) in sources.iter().enumerate().filter(|(at, _)| *at != source) {
            other.history.search(&window[..WINDOW], |found| {
                let rest = (WINDOW - found.at) as u64;
                let candidate = Candidate { one: (source, end), other: (at, found.before + rest) };
                if !candidates.contains(&candidate) {
                    if candidates.len() == CANDIDATES {
                        candidates.remove(0);
                    }
                    candidates.push(candidate);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use soak::Rng;

    use super::*;

    fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
        (0..count).map(|_| rng.roll().to_le_bytes()[0]).collect()
    }

    /// Reads `one` and `other` in turn, in pieces of these lengths; how many samples of the second were read until it is
    /// told that it is tied.
    fn tied(one: &[u8], other: &[u8], pieces: [usize; 2]) -> Option<usize> {
        let mut ties = Ties::new(&[MinEntropy::FULL_BYTE; 2]).unwrap();
        for (at, (one, other)) in one.chunks(pieces[0]).zip(other.chunks(pieces[1])).enumerate() {
            assert_eq!(ties.observe(0, one), None, "the first is not told");
            if ties.observe(1, other).is_some() {
                return Some(at * pieces[1]);
            }
        }
        None
    }

    #[test]
    fn a_copy_is_found_whichever_is_ahead_and_however_it_is_read() {
        let mut rng = Rng::new(6);
        let all = bytes(&mut rng, 200_000);
        for (ahead, behind) in [(0, 0), (0, 1), (1, 0), (100, 0), (0, 100), (5000, 0), (0, 5000), (60_000, 0)]
        {
            // If one is read faster, the other falls behind by more than is remembered some time.
            let faster: &[_] = if ahead + behind > 5000 { &[] } else { &[[2048, 1000], [1000, 2048]] };
            for pieces in [[2048, 2048], [100, 100], [7, 7]].into_iter().chain(faster.iter().copied()) {
                let samples = tied(&all[ahead..], &all[behind..], pieces);
                assert!(
                    samples.is_some_and(|samples| samples < 100_000),
                    "{ahead} {behind} {pieces:?}: {samples:?}"
                );
            }
        }
    }

    #[test]
    fn a_copy_with_every_third_sample_replaced_is_found() {
        let mut rng = Rng::new(7);
        let one = bytes(&mut rng, 100_000);
        let other: Vec<u8> = one
            .iter()
            .map(|sample| if rng.once_in(3) { rng.roll().to_le_bytes()[0] } else { *sample })
            .collect();
        assert!(tied(&one, &other, [512, 512]).unwrap() < 20_000);
    }

    #[test]
    fn sources_of_their_own_are_not_tied() {
        let mut rng = Rng::new(8);
        for _ in 0..20 {
            let (one, other) = (bytes(&mut rng, 200_000), bytes(&mut rng, 200_000));
            assert_eq!(tied(&one, &other, [2048, 2048]), None);
        }
    }
}
