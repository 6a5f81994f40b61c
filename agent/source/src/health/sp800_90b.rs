//! The continuous health tests of SP 800-90B 4.4 over one stream of samples.

use super::cutoff::Cutoffs;
use super::limits::Limits;

/// How many samples are counted in bulk; they are looked at one by one only where a count reached a cutoff.
const STRIDE: usize = 4096;
/// How many matches a lane of `u8` counters can count.
const LANE: usize = 128;

/// A health test of SP 800-90B 4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// 4.4.1: the same sample too often in a row.
    RepetitionCount,
    /// 4.4.2: one sample too often in a window.
    AdaptiveProportion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Rare but possible chance: the start-up test runs again.
    Intermittent,
    /// Not chance: the source is off until a retest.
    Permanent,
}

/// A failed test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub test: Test,
    pub severity: Severity,
    /// Index in the slice of the sample at which it failed.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TestOutcome {
    Pass,
    /// The first of the most severe alarms.
    Alarm(Alarm),
}

/// Both tests, with their state between slices: the outcome does not depend on how a stream is cut.
///
/// An intermittent alarm is raised once, by the sample that brings a count to its cutoff. The count continues, also over
/// a new start-up test, so that a broken source reaches the permanent cutoff. A permanent alarm is raised by every
/// sample at or beyond it.
#[derive(Clone, Debug)]
pub struct HealthTests {
    limits: Limits,
    repetition: RepetitionCount,
    proportion: AdaptiveProportion,
}

impl HealthTests {
    pub fn new(limits: Limits) -> Self {
        let proportion = AdaptiveProportion::new(limits.window as usize);
        Self { limits, repetition: RepetitionCount::default(), proportion }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Windows of the adaptive proportion test that ended.
    pub fn windows(&self) -> u64 {
        self.proportion.windows
    }

    /// Tests every sample, in order.
    pub fn observe(&mut self, samples: &[u8]) -> TestOutcome {
        let mut worst: Option<Alarm> = None;
        for (stride, samples) in samples.chunks(STRIDE).enumerate() {
            if let Some(mut alarm) = self.observe_stride(samples) {
                alarm.at += stride * STRIDE;
                worst = Some(more_severe(worst, alarm));
            }
        }
        worst.map_or(TestOutcome::Pass, TestOutcome::Alarm)
    }

    /// Counts in bulk, and repeats sample by sample only if a count reached a cutoff.
    fn observe_stride(&mut self, samples: &[u8]) -> Option<Alarm> {
        let before = (self.repetition.clone(), self.proportion.clone());
        let Cutoffs { repetition_count, adaptive_proportion } = self.limits.intermittent;
        let run = self.repetition.observe_all(samples, self.limits.permanent.repetition_count);
        let matches = self.proportion.observe_all(samples);
        if run < repetition_count && matches < adaptive_proportion {
            return None;
        }
        (self.repetition, self.proportion) = before;
        samples.iter().enumerate().fold(None, |worst, (at, &sample)| self.observe_one(at, sample, worst))
    }

    fn observe_one(&mut self, at: usize, sample: u8, worst: Option<Alarm>) -> Option<Alarm> {
        let Limits { intermittent, permanent, .. } = self.limits;
        let run = Some(self.repetition.observe(sample));
        let matches = self.proportion.observe(sample);
        let counts = [
            (Test::RepetitionCount, run, intermittent.repetition_count, permanent.repetition_count),
            (
                Test::AdaptiveProportion,
                matches,
                intermittent.adaptive_proportion,
                permanent.adaptive_proportion,
            ),
        ];
        counts.into_iter().fold(worst, |worst, (test, count, intermittent, permanent)| {
            let severity = match count {
                Some(count) if count >= permanent => Severity::Permanent,
                Some(count) if count == intermittent => Severity::Intermittent,
                _ => return worst,
            };
            Some(more_severe(worst, Alarm { test, severity, at }))
        })
    }
}

fn more_severe(worst: Option<Alarm>, next: Alarm) -> Alarm {
    worst.filter(|worst| worst.severity >= next.severity).unwrap_or(next)
}

/// The repetition count test, 4.4.1: the last sample and how often in a row it came.
#[derive(Clone, Debug, Default)]
struct RepetitionCount {
    sample: u8,
    run: u32,
}

impl RepetitionCount {
    /// Takes all samples at once; returns the longest run that ended, or is still open, in the slice.
    /// `ceiling` keeps the count of a stuck source from overflowing.
    fn observe_all(&mut self, samples: &[u8], ceiling: u32) -> u32 {
        self.run = self.run.min(ceiling);
        let (mut sample, mut run, mut longest) = (self.sample, self.run, 0);
        for &next in samples {
            // Without a branch: on random samples it would be mispredicted too often.
            run = (run & u32::from(next == sample).wrapping_neg()) + 1;
            sample = next;
            longest = longest.max(run);
        }
        (self.sample, self.run) = (sample, run);
        longest
    }

    /// Takes one sample; returns the length of its run so far.
    fn observe(&mut self, sample: u8) -> u32 {
        self.run = if sample == self.sample { self.run.saturating_add(1) } else { 1 };
        self.sample = sample;
        self.run
    }
}

/// The adaptive proportion test, 4.4.2: the first sample of the window, how often it came in it, and how many samples
/// the window has had.
#[derive(Clone, Debug)]
struct AdaptiveProportion {
    window: usize,
    first: u8,
    matches: u32,
    seen: usize,
    /// Windows that ended.
    windows: u64,
}

impl AdaptiveProportion {
    fn new(window: usize) -> Self {
        Self { window, first: 0, matches: 0, seen: 0, windows: 0 }
    }

    /// Takes all samples at once; returns the most matches of any window in them.
    fn observe_all(&mut self, mut samples: &[u8]) -> u32 {
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
                self.windows += 1;
            }
            samples = rest;
        }
        most
    }

    /// Takes one sample; returns the matches of its window so far if it is one of them.
    fn observe(&mut self, sample: u8) -> Option<u32> {
        let matches = self.observe_all(&[sample]);
        (sample == self.first).then_some(matches)
    }
}

/// Counts in lanes of `u8`, so that one vector instruction counts many samples.
fn occurrences(wanted: u8, samples: &[u8]) -> u32 {
    // No lane wraps; a sum that is checked for it is not vectorised.
    let count = |count: u8, &sample: &u8| count.wrapping_add(u8::from(sample == wanted));
    samples.chunks(LANE).map(|lane| u32::from(lane.iter().fold(0, count))).sum()
}

#[cfg(test)]
#[path = "sp800_90b_tests.rs"]
mod tests;
