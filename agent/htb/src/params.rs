//! What a node is given: two rates, two bursts, and its standing among its siblings.

use crate::units::{MAX_GRANT, Rate};

/// The highest number `prio` takes; 0 borrows first.
pub const MAX_PRIO: u8 = 7;

/// The `prio` of a class that names none.
pub const DEFAULT_PRIO: u8 = 4;

/// The `weight` of a class that names none.
pub const DEFAULT_WEIGHT: u16 = 100;

/// The parameters of a node, in `tc`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Assured. Zero: nothing is; the node lives on what others leave.
    pub rate: Rate,
    /// Never passed by more than `cburst` and one grant, whoever lends.
    pub ceil: Rate,
    /// Bytes of `rate` that may be saved up.
    pub burst: u64,
    /// Bytes of `ceil` that may be saved up.
    pub cburst: u64,
    /// 0 to 7, lower borrows first; larger values count as 7.
    pub prio: u8,
    /// 1 to 10000, the share of what is borrowed among equals of one prio; 0 counts as 1.
    pub weight: u16,
}

impl Params {
    pub(crate) fn clamped(self) -> Self {
        Self { prio: self.prio.min(MAX_PRIO), weight: self.weight.max(1), ..self }
    }
}

/// What a weight brings in a round in which weight 100 brings one whole request: `tc`'s quantum, for status
/// only. Never 0.
pub fn quantum(weight: u16) -> u64 {
    (u64::from(weight).saturating_mul(MAX_GRANT) / 100).max(1)
}
