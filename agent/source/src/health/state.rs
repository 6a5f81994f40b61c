//! The words of a source's health: its states, why it is in one, and what follows.

use super::{Alarm, Test};

/// The state of a noise source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// In its start-up test; nothing it gives is credited.
    Starting,
    /// Its samples are credited.
    Healthy,
    /// An intermittent alarm: in its start-up test again, nothing is credited.
    Suspect,
    /// Off, until [`Monitor::retest`](super::Monitor::retest).
    Failed,
    /// Cannot be read; to be opened anew.
    Unavailable,
}

/// Why a source is not healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A health test failed.
    Alarm(Alarm),
    /// The FIPS 140-2 block tests failed too often.
    BlockTests,
    /// Nothing could be read.
    Lost(ReadFailure),
}

impl Cause {
    /// One word for logs, metrics, events and conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Alarm(Alarm { test: Test::RepetitionCount, .. }) => "RepetitionCount",
            Self::Alarm(Alarm { test: Test::AdaptiveProportion, .. }) => "AdaptiveProportion",
            Self::BlockTests => "BlockTests",
            Self::Lost(ReadFailure::Io) => "ReadError",
            Self::Lost(ReadFailure::End) => "EndOfFile",
            Self::Lost(ReadFailure::Stall) => "Stalled",
        }
    }
}

/// How a source was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// Opening or reading failed.
    Io,
    /// It has no more.
    End,
    /// A read brought nothing for ten seconds.
    Stall,
}

/// What to do with samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Transition {
    /// Condition them, with credit.
    Credit,
    /// Do not serve them: they belong to a start-up test. They may be mixed in with credit 0.
    Discard,
    /// Wipe them and all from this source that is not yet conditioned, and reset the source. If the state is now
    /// [`State::Failed`], close it instead.
    Drop,
}
