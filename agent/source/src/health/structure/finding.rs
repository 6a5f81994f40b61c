//! What the tests for structure find.

use std::fmt;

use super::bits::WINDOW;

/// What the samples of a source revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// A sequence that cannot repeat by chance came again after so many samples.
    Loop { period: usize },
    /// It began as it had begun when it was opened before.
    Restart,
    /// Samples of a window equal those `lag` before too often.
    Lag { lag: usize, count: u32 },
    /// Bits of a window equal, or differ from, those `lag` before too often.
    LagBit { lag: usize, bit: u8, count: u32 },
    /// A bit follows from those before by a shift register of so many bits.
    Recurrence { bit: u8, length: u32 },
    /// A bit had the same value too often.
    Bit { bit: u8, count: u32, of: u32 },
    /// One value came too often.
    CommonValue { count: u32, of: u32 },
    /// Samples of a window equal those of another source of the pool too often.
    Copy { count: u32 },
    /// Too many of sixteen blocks failed the FIPS 140-2 tests.
    Blocks { failed: u32 },
}

impl Structure {
    /// The one word for logs, metrics, events and conditions.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Loop { .. } => "Loop",
            Self::Restart => "RepeatedStart",
            Self::Lag { .. } | Self::LagBit { .. } => "LagCorrelation",
            Self::Recurrence { .. } => "LinearRecurrence",
            Self::Bit { .. } => "BitLane",
            Self::CommonValue { .. } => "MinEntropy",
            Self::Copy { .. } => "CopiedSource",
            Self::Blocks { .. } => "BlockTests",
        }
    }

    /// What was counted.
    pub fn count(self) -> u64 {
        match self {
            Self::Loop { period } => period as u64,
            Self::Restart => 1,
            Self::Lag { count, .. }
            | Self::LagBit { count, .. }
            | Self::Recurrence { length: count, .. }
            | Self::Bit { count, .. }
            | Self::CommonValue { count, .. }
            | Self::Copy { count }
            | Self::Blocks { failed: count } => count.into(),
        }
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop { period } => write!(f, "its bytes repeat after {period} bytes"),
            Self::Restart => f.write_str("it began with the same bytes as when it was opened before"),
            Self::Lag { lag, count } => write!(f, "{count} of {WINDOW} bytes equal those {lag} before"),
            Self::LagBit { lag, bit, count } => {
                write!(f, "bit {bit} of {count} of {WINDOW} bytes follows from those {lag} before")
            }
            Self::Recurrence { bit, length } => {
                write!(
                    f,
                    "bit {bit} follows from those before, as if a shift register of {length} bits made it"
                )
            }
            Self::Bit { bit, count, of } => {
                write!(f, "bit {bit} has the same value in {count} of {of} bytes")
            }
            Self::CommonValue { count, of } => {
                write!(f, "one value is {count} of {of} bytes, more than the claimed min-entropy allows")
            }
            Self::Copy { count } => {
                write!(f, "{count} of {WINDOW} bytes equal those of another source of the pool")
            }
            Self::Blocks { failed } => write!(f, "{failed} of 16 blocks failed the FIPS 140-2 tests"),
        }
    }
}
