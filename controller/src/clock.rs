//! The only file of the controller that reads a clock.
#![allow(clippy::disallowed_methods, reason = "the one file of this crate that reads the clock")]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ::clock::Tick;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The monotonic time since the first call.
pub(crate) fn since_start() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The same as a tick. 64 bits of nanoseconds are 584 years.
pub(crate) fn tick() -> Tick {
    Tick(u64::try_from(since_start().as_nanos()).unwrap_or(u64::MAX))
}

/// The wall clock, for times that people and other programs read.
pub(crate) fn wall() -> Time {
    Time(jiff::Timestamp::now())
}
