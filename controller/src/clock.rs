//! The controller's only reader of clocks.
#![allow(clippy::disallowed_methods, reason = "the one file of this crate that reads the clock")]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The time since the program first asked: it never goes back.
pub(crate) fn since_start() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The time of day, for what people and other programs read.
pub(crate) fn wall() -> Time {
    Time(jiff::Timestamp::now())
}
