//! Both health tests over one stream of samples.

use super::proportion::AdaptiveProportion;
use super::repetition::RepetitionCount;
use super::{Cutoffs, Limits};

/// How many samples are tried at once before they would have to be told apart.
const STRIDE: usize = 4096;

/// A health test of SP 800-90B 4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// 4.4.1: the same sample too often in a row.
    RepetitionCount,
    /// 4.4.2: one sample too often in a window.
    AdaptiveProportion,
}

/// How bad an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// May be chance, though a rare one: the source is reset and tested anew.
    Intermittent,
    /// Cannot be chance: the source is off until somebody looks at it.
    Permanent,
}

/// A test that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Which test.
    pub test: Test,
    /// How badly.
    pub grade: Severity,
    /// The sample, counted from 0 in the slice given, at which it failed.
    pub at: usize,
}

/// What the tests say of some samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TestOutcome {
    /// No test failed.
    Pass,
    /// The gravest alarm, and of equally grave ones the first.
    Alarm(Alarm),
}

/// The two tests with the little they remember between slices: the same verdicts however a stream is cut.
///
/// An intermittent alarm is raised once, by the sample that brings a count to its cutoff; the count goes on, also
/// when the source is reset, so that what is really broken comes to the permanent cutoff. That one is raised by
/// every sample at or beyond it.
#[derive(Clone, Debug)]
pub struct HealthTests {
    limits: Limits,
    repetition: RepetitionCount,
    proportion: AdaptiveProportion,
}

impl HealthTests {
    /// Tests that have seen nothing yet.
    pub fn new(limits: Limits) -> Self {
        let proportion = AdaptiveProportion::new(limits.kind.window() as usize);
        Self { limits, repetition: RepetitionCount::default(), proportion }
    }

    /// The limits they hold samples to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Tests every sample, in order.
    pub fn observe(&mut self, samples: &[u8]) -> TestOutcome {
        let mut worst: Option<Alarm> = None;
        for (stride, samples) in samples.chunks(STRIDE).enumerate() {
            let Some(mut alarm) = self.observe_stride(samples) else { continue };
            alarm.at += stride * STRIDE;
            worst = Some(graver(worst, alarm));
        }
        worst.map_or(TestOutcome::Pass, TestOutcome::Alarm)
    }

    /// Counts in bulk, and goes back to look at each sample only where a count reached a cutoff.
    fn observe_stride(&mut self, samples: &[u8]) -> Option<Alarm> {
        let before = (self.repetition.clone(), self.proportion.clone());
        let Cutoffs { repetition_count, adaptive_proportion } = self.limits.intermittent;
        let run = self.repetition.longest(samples, self.limits.permanent.repetition_count);
        let matches = self.proportion.most(samples);
        if run < repetition_count && matches < adaptive_proportion {
            return None;
        }
        (self.repetition, self.proportion) = before;
        samples.iter().enumerate().fold(None, |worst, (at, &sample)| self.observe_one(at, sample, worst))
    }

    fn observe_one(&mut self, at: usize, sample: u8, worst: Option<Alarm>) -> Option<Alarm> {
        let Limits { intermittent, permanent, .. } = self.limits;
        let run = Some(self.repetition.count(sample));
        let matches = self.proportion.count(sample);
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
            let grade = match count {
                Some(count) if count >= permanent => Severity::Permanent,
                Some(count) if count == intermittent => Severity::Intermittent,
                _ => return worst,
            };
            Some(graver(worst, Alarm { test, grade, at }))
        })
    }
}

fn graver(worst: Option<Alarm>, next: Alarm) -> Alarm {
    worst.filter(|worst| worst.grade >= next.grade).unwrap_or(next)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
