//! Time as an argument.

/// An instant in nanoseconds since an origin that the caller chose; only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// So many thousandths of a second.
    pub const fn millis(count: u64) -> Self {
        Self(count * 1_000_000)
    }

    /// So many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self::millis(count * 1_000)
    }
}

impl Tick {
    /// The instant a while later; the last one there is, where that is too far.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; nothing if it is still to come.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}
