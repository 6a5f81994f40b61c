//! Rates and sizes, and the one unit in which credit is kept.

use core::fmt;

pub use clock::Tick;

/// The largest grant, in bytes: EGD's largest request.
pub const MAX_GRANT: u64 = 255;

/// The most bytes a leaf may be owed; what is asked beyond that is not added.
pub const MAX_OWED: u64 = 1 << 32;

/// Nanoseconds in a day.
const DAY: u64 = 86_400 * 1_000_000_000;

/// Units of credit in a byte: a rate of R bytes a day earns exactly R units each nanosecond, so no refill
/// rounds, whatever the rate and however often it is looked at.
pub(crate) const UNITS_PER_BYTE: i128 = DAY as i128;

/// Whole bytes per day, from 1 to far beyond 8.64·10¹⁴ (10 GB/s).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

impl Rate {
    /// Nothing assured, or nothing allowed.
    pub const ZERO: Self = Self(0);

    /// The rate of that many bytes a second.
    pub const fn per_second(bytes: u64) -> Self {
        Self(bytes.saturating_mul(86_400))
    }

    /// The sum, or `None` where it leaves 64 bits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

/// As people write it: the shortest period in which the bytes are whole, and binary multiples.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let periods = [(86_400, "s"), (1_440, "min"), (24, "h"), (1, "d")];
        let (per_day, period) =
            periods.into_iter().find(|(n, _)| self.0.is_multiple_of(*n)).unwrap_or((1, "d"));
        let bytes = self.0.checked_div(per_day).unwrap_or(0);
        let multiples = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        let fits = |&(unit, _): &(u64, &str)| bytes > 0 && bytes.is_multiple_of(unit);
        let (unit, prefix) = multiples.into_iter().find(fits).unwrap_or((1, ""));
        write!(f, "{}{prefix}/{period}", bytes.checked_div(unit).unwrap_or(0))
    }
}

/// Credit worth that many bytes. Any `u64` fits: 2⁶⁴ · 8.64·10¹³ is below 2¹²⁷.
pub(crate) fn units(bytes: u64) -> i128 {
    i128::from(bytes).saturating_mul(UNITS_PER_BYTE)
}

/// Credit worth that many bytes, or debt.
pub(crate) fn signed_units(bytes: i64) -> i128 {
    i128::from(bytes).saturating_mul(UNITS_PER_BYTE)
}

/// Whole bytes in that credit, rounded down, for showing and for promises: never more than there is.
pub(crate) fn whole_bytes(credit: i128) -> i64 {
    let bytes = credit.div_euclid(UNITS_PER_BYTE);
    i64::try_from(bytes).unwrap_or(if bytes < 0 { i64::MIN } else { i64::MAX })
}
