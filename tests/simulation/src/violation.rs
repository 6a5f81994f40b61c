//! A promise that did not hold.

use std::fmt;

use htb::Tick;

/// What was broken, when, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed: the same life breaks again.
    pub seed: u64,
    /// Nanoseconds since the life began.
    pub at: u64,
    /// The promise, as the design numbers it, or the law.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at, promise, what } = self;
        let seconds = at / 1_000_000_000;
        write!(f, "seed {seed}, {seconds}.{:09} s: {promise}: {what}", at % 1_000_000_000)
    }
}

/// A promise that did not hold, before it is known where and when.
pub(crate) type Check = (&'static str, String);

/// When a life begins: any instant that is not 0.
pub(crate) const BEGIN: Tick = Tick(1_000_000_000_000);
/// Nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;
