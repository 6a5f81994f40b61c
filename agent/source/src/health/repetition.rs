//! The repetition count test, SP 800-90B 4.4.1: the same sample too often in a row.

/// The last sample and how often in a row it came.
#[derive(Clone, Debug, Default)]
pub(super) struct RepetitionCount {
    sample: u8,
    run: u32,
}

impl RepetitionCount {
    /// Takes all samples at once; the longest run that had an end, or the end of the slice, in it.
    /// `ceiling` keeps the count of a stuck source from ever overflowing.
    pub(super) fn longest(&mut self, samples: &[u8], ceiling: u32) -> u32 {
        self.run = self.run.min(ceiling);
        let (mut sample, mut run, mut longest) = (self.sample, self.run, 0);
        for &next in samples {
            // Without a branch: a random one would be mispredicted too often to keep the pace.
            run = (run & u32::from(next == sample).wrapping_neg()) + 1;
            sample = next;
            longest = longest.max(run);
        }
        (self.sample, self.run) = (sample, run);
        longest
    }

    /// Takes one sample; the run it belongs to.
    pub(super) fn count(&mut self, sample: u8) -> u32 {
        self.run = if sample == self.sample { self.run.saturating_add(1) } else { 1 };
        self.sample = sample;
        self.run
    }
}
