//! The adaptive proportion test, SP 800-90B 4.4.2: one sample too often in a window.

/// Eight bits of a counter hold what a lane of this many can count.
const LANE: usize = 128;

/// The first sample of the window, how often it came in it, and how many samples the window has had.
#[derive(Clone, Debug)]
pub(super) struct AdaptiveProportion {
    window: usize,
    first: u8,
    matches: u32,
    seen: usize,
}

impl AdaptiveProportion {
    pub(super) fn new(window: usize) -> Self {
        Self { window, first: 0, matches: 0, seen: 0 }
    }

    /// Takes all samples at once; the most matches that any window in them came to.
    pub(super) fn most(&mut self, mut samples: &[u8]) -> u32 {
        let mut most = 0;
        while let Some(&first) = samples.first() {
            if self.seen == 0 {
                (self.first, self.matches) = (first, 0);
            }
            let left = self.window - self.seen;
            let (inside, rest) = samples.split_at(left.min(samples.len()));
            self.matches += occurrences(self.first, inside);
            most = most.max(self.matches);
            self.seen += inside.len();
            if self.seen == self.window {
                self.seen = 0;
            }
            samples = rest;
        }
        most
    }

    /// Takes one sample; the matches of its window so far if it is one of them.
    pub(super) fn count(&mut self, sample: u8) -> Option<u32> {
        let matches = self.most(&[sample]);
        (sample == self.first).then_some(matches)
    }
}

/// How often `wanted` occurs, eight bits at a time so that it takes one vector instruction for many samples.
fn occurrences(wanted: u8, samples: &[u8]) -> u32 {
    let lane = |lane: &[u8]| u32::from(lane.iter().map(|&sample| u8::from(sample == wanted)).sum::<u8>());
    samples.chunks(LANE).map(lane).sum()
}
