//! The states of a source's health, and their causes.

use super::limits::Limits;
use super::sp800_90b::{Alarm, Severity, Test};
use super::structure::Structure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// In its start-up test: samples earn no credit.
    Starting,
    /// Samples earn credit.
    Healthy,
    /// In its start-up test again after an intermittent alarm.
    Suspect,
    /// Off, until [`Monitor::retest`](super::Monitor::retest).
    Failed,
    /// Cannot be read; opening it is retried.
    Unavailable,
}

/// Why a source is not healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Alarm(Alarm),
    /// The samples have structure that the claimed min-entropy rules out.
    Structure(Structure),
    /// Too many blocks failed the FIPS 140-2 tests.
    BlockTests,
    Lost(ReadFailure),
    /// It failed before, in another process, for this reason.
    Recorded(&'static str),
}

/// The reasons for which a source may fail permanently.
const FAILURES: [&str; 10] = [
    "RepetitionCount",
    "AdaptiveProportion",
    "BlockTests",
    "Loop",
    "RepeatedStart",
    "LagCorrelation",
    "LinearRecurrence",
    "BitLane",
    "MinEntropy",
    "CopiedSource",
];

impl Cause {
    /// The cause of a failure that was recorded. A reason that only a newer version knows is a failure too.
    pub(crate) fn recorded(reason: &str) -> Self {
        let known = FAILURES.into_iter().find(|known| *known == reason);
        Self::Recorded(known.unwrap_or("HealthTestFailed"))
    }

    /// One word for logs, metrics, events and conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Alarm(Alarm { test: Test::RepetitionCount, .. }) => "RepetitionCount",
            Self::Alarm(Alarm { test: Test::AdaptiveProportion, .. }) => "AdaptiveProportion",
            Self::Structure(structure) => structure.reason(),
            Self::BlockTests => "BlockTests",
            Self::Lost(ReadFailure::Io) => "ReadError",
            Self::Lost(ReadFailure::End) => "EndOfFile",
            Self::Lost(ReadFailure::Stall) => "Stalled",
            Self::Lost(ReadFailure::Deterministic) => "DeterministicGenerator",
            Self::Lost(ReadFailure::Terminal) => "TerminalNotRaw",
            Self::Lost(ReadFailure::OwnSocket) => "OwnSocket",
            Self::Lost(ReadFailure::Changed) => "GeneratorChanged",
            Self::Recorded(reason) => reason,
        }
    }

    /// What happened and what follows from it, as a sentence.
    pub(crate) fn describe(self, limits: &Limits, state: HealthState) -> String {
        let event = match self {
            Self::Alarm(alarm) => describe_alarm(alarm, limits),
            Self::Structure(structure) => structure.to_string(),
            Self::BlockTests => "25 blocks failed the FIPS 140-2 tests".to_owned(),
            Self::Lost(_) => "it cannot be read".to_owned(),
            Self::Recorded(_) => "it failed before".to_owned(),
        };
        match state {
            HealthState::Failed => format!("{event}; off until a retest is requested"),
            _ => {
                format!("{event}; samples not yet conditioned were dropped, and its start-up test runs again")
            }
        }
    }
}

/// Why a source cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// Opening or reading failed.
    Io,
    /// End of file.
    End,
    /// A read brought nothing for ten seconds.
    Stall,
    /// It is a DRBG, and not opened.
    Deterministic,
    /// It is a terminal that cannot be made raw.
    Terminal,
    /// It is a socket of this process.
    OwnSocket,
    /// The kernel reads another generator behind the same device.
    Changed,
}

/// What to do with tested samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Disposition {
    /// Condition them, with credit.
    Credit,
    /// Do not serve them: they belong to a start-up test.
    Discard,
    /// Wipe them and all samples of this source that are not yet conditioned.
    Drop,
}

fn describe_alarm(alarm: Alarm, limits: &Limits) -> String {
    let cutoffs = match alarm.severity {
        Severity::Intermittent => limits.intermittent,
        Severity::Permanent => limits.permanent,
    };
    match alarm.test {
        Test::RepetitionCount => format!("the same byte came {} times in a row", cutoffs.repetition_count),
        Test::AdaptiveProportion => {
            let window = limits.window;
            format!("one byte came {} times in a window of {window}", cutoffs.adaptive_proportion)
        }
    }
}
