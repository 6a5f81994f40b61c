//! Samples that follow earlier ones at some lag, with many of them replaced: a loop that is not perfect.

use super::history::History;
use crate::memory::MapError;

/// Lags that are tried with one window.
const LAGS: usize = 4;

/// Guesses from short pieces that come again at which lag a source may repeat itself, and tests the guess with the next
/// window. The guess depends on the past alone, as a predictor of SP 800-90B 6.3.8 does.
pub(super) struct LapSearch {
    history: History,
    /// Lags to test; zero is none.
    lags: [u64; LAGS],
}

impl LapSearch {
    pub(super) fn new() -> Result<Self, MapError> {
        Ok(Self { history: History::new()?, lags: [0; LAGS] })
    }

    pub(super) fn try_clone(&self) -> Result<Self, MapError> {
        Ok(Self { history: self.history.try_clone()?, ..*self })
    }

    pub(super) fn restart(&mut self) {
        self.history.clear();
        self.lags = [0; LAGS];
    }

    /// The lag at which at least `cutoff` samples of the window equal earlier ones, and how many do.
    #[inline(always)]
    pub(super) fn observe(&mut self, window: &[u8], cutoff: u32) -> Option<(u64, u32)> {
        let Self { history, lags } = self;
        let start = history.end();
        history.push(window);
        let follows = |lag: u64| {
            let before = start.checked_sub(lag).filter(|_| lag > 0)?;
            let count = history.remembers(before, window.len()).then(|| history.equal(before, window))?;
            (count >= cutoff).then_some((lag, count))
        };
        if let Some(found) = lags.iter().find_map(|lag| follows(*lag)) {
            return Some(found);
        }
        *lags = [0; LAGS];
        let mut next = 0;
        history.search(window, |found| {
            let lag = start + found.at as u64 - found.before;
            if next < LAGS && !lags.contains(&lag) {
                lags[next] = lag;
                next += 1;
            }
        });
        history.index();
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use soak::Rng;

    use super::super::bits::WINDOW;
    use super::*;

    #[test]
    fn a_loop_is_found_soon_after_its_first_round_though_half_of_it_is_replaced() {
        let mut rng = Rng::new(4);
        for (period, kept) in [(24, 9), (900, 8), (5000, 5), (40_001, 7), (65_536, 5), (65_536, 8)] {
            let round: Vec<u8> = (0..period).map(|_| rng.roll().to_le_bytes()[0]).collect();
            let mut laps = LapSearch::new().unwrap();
            let mut windows = 0;
            let found = loop {
                let window: Vec<u8> = (windows * WINDOW..(windows + 1) * WINDOW)
                    .map(|at| {
                        let fresh = rng.roll().to_le_bytes()[0];
                        if rng.below(10) < kept { round[at % period] } else { fresh }
                    })
                    .collect();
                windows += 1;
                if let Some(found) = laps.observe(&window, 150) {
                    break found;
                }
                assert!(windows * WINDOW < period + 30 * WINDOW, "{period} {kept}");
            };
            assert_eq!(found.0 % period as u64, 0, "{period} {kept}");
        }
    }

    #[test]
    fn random_samples_follow_none() {
        let (mut laps, mut rng) = (LapSearch::new().unwrap(), Rng::new(5));
        for _ in 0..2000 {
            let window: Vec<u8> = (0..WINDOW).map(|_| rng.roll().to_le_bytes()[0]).collect();
            assert_eq!(laps.observe(&window, 85), None);
        }
    }
}
