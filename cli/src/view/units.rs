//! Rates and times, as a person and as a program reads them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Bytes per day; zero is "nothing assured".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rate(pub(crate) u64);

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&api::Rate::from_bytes_per_day(self.0).to_string())
    }
}

/// As a manifest would say it; what is not assured is `null`.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 { serializer.serialize_none() } else { serializer.collect_str(self) }
    }
}

/// A time between two instants of one answer, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) u64);

impl Span {
    /// From `since` to `now`; nothing if the clock says otherwise.
    pub(crate) fn between(since: u64, now: u64) -> Self {
        Self(now.saturating_sub(since))
    }

    /// In seconds.
    pub(crate) fn seconds(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }
}

/// In seconds, to the microsecond.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(Duration::from_micros(self.0 / 1_000).as_secs_f64())
    }
}
