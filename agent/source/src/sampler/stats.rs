//! Statistics of a source, as one pool sees it.

use crate::fips::{BlockTest, Findings};
use crate::health::{Cause, Cutoffs, Limits, Severity, Test};

/// Counters since the pool started to draw from the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Bytes read and tested.
    pub bytes_in: u64,
    /// Bytes that passed every test, earned credit of entropy and were used by this pool. The others went to other pools,
    /// were discarded, wait, or come from a source without an assessment.
    pub bytes_credited: u64,
    /// Alarms of the repetition count test.
    pub repetition_count: u64,
    /// Alarms of the adaptive proportion test.
    pub adaptive_proportion: u64,
    /// Blocks that failed each FIPS 140-2 test, in the order of [`BlockTest::ALL`].
    pub block_tests: [u64; BlockTest::ALL.len()],
    /// Alarms of the tests for loops, correlation, leaning bits and common values.
    pub structure: u64,
    /// How often it could not be opened or read, ended or stalled.
    pub lost: u64,
}

impl SourceStats {
    pub(super) fn record_failure(&mut self, cause: Cause) {
        match cause {
            Cause::Alarm(alarm) if alarm.test == Test::RepetitionCount => self.repetition_count += 1,
            Cause::Alarm(_) => self.adaptive_proportion += 1,
            Cause::Structure(_) => self.structure += 1,
            Cause::BlockTests | Cause::Recorded(_) => {}
            Cause::Lost(_) => self.lost += 1,
        }
    }

    pub(super) fn record_block(&mut self, findings: Findings) {
        for (count, test) in self.block_tests.iter_mut().zip(BlockTest::ALL) {
            *count += u64::from(findings.failed(test));
        }
    }
}

/// What the test that raised an alarm counted.
pub(super) fn count(cause: Cause, limits: &Limits) -> u64 {
    match cause {
        Cause::Alarm(alarm) => {
            let cutoffs: Cutoffs = match alarm.severity {
                Severity::Intermittent => limits.intermittent,
                Severity::Permanent => limits.permanent,
            };
            match alarm.test {
                Test::RepetitionCount => cutoffs.repetition_count.into(),
                Test::AdaptiveProportion => cutoffs.adaptive_proportion.into(),
            }
        }
        Cause::Structure(structure) => structure.count(),
        Cause::BlockTests => 25,
        Cause::Lost(_) | Cause::Recorded(_) => 0,
    }
}
