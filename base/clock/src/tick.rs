//! Instants and spans.

use core::ops::{Add, Sub};
use core::time::Duration;

/// An instant: nanoseconds since an origin that the caller chooses. 64 bits of them are 584 years.
///
/// All arithmetic saturates. Code that multiplies nanoseconds by rates uses [`after`](Self::after) and
/// [`since`](Self::since); `+` and `-` do the same with [`Span`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Tick {
    /// The instant `nanoseconds` later.
    #[must_use]
    #[inline]
    pub const fn after(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// Nanoseconds since `earlier`; 0 if that is later.
    #[inline]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Span> for Tick {
    type Output = Self;

    #[inline]
    fn add(self, span: Span) -> Self {
        self.after(span.0)
    }
}

impl Sub for Tick {
    type Output = Span;

    #[inline]
    fn sub(self, earlier: Self) -> Span {
        Span(self.since(earlier))
    }
}

impl Span {
    #[inline]
    pub const fn micros(count: u64) -> Self {
        Self(count.saturating_mul(1_000))
    }

    #[inline]
    pub const fn millis(count: u64) -> Self {
        Self(count.saturating_mul(1_000_000))
    }

    #[inline]
    pub const fn seconds(count: u64) -> Self {
        Self(count.saturating_mul(1_000_000_000))
    }
}

impl From<Span> for Duration {
    #[inline]
    fn from(span: Span) -> Self {
        Self::from_nanos(span.0)
    }
}

impl From<Duration> for Span {
    #[inline]
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}
