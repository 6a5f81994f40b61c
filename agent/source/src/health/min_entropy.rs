//! What a sample of a noise source was assessed to be worth.

/// Assessed min-entropy of one sample, in tenths of a bit: SP 800-90B's *H*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinEntropy(u8);

impl MinEntropy {
    /// A byte in which every bit counts.
    pub const FULL_BYTE: Self = Self(80);

    /// From tenths of a bit; nothing outside 1 to 80.
    pub const fn from_tenths(tenths: u8) -> Option<Self> {
        if matches!(tenths, 1..=80) { Some(Self(tenths)) } else { None }
    }

    /// Tenths of a bit, 1 to 80.
    pub const fn tenths(self) -> u8 {
        self.0
    }
}
