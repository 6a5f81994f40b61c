//! What can be seen of a node.

use crate::slab::NodeId;
use crate::units::Tick;

/// What has gone through a node since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeCounters {
    pub(crate) bytes: u64,
    pub(crate) grants: u64,
    pub(crate) borrowed: u64,
    pub(crate) lent: u64,
    pub(crate) overlimits: u64,
}

/// A node's mode, in `tc`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Within its rate: it pays for itself.
    CanSend,
    /// Past its rate, within its ceil: somebody above pays.
    MayBorrow,
    /// Past its ceil.
    CantSend,
}

/// A node's counters and levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that went through it.
    pub bytes: u64,
    /// Grants that went through it.
    pub grants: u64,
    /// Of the bytes, those that a node above it paid for.
    pub borrowed: u64,
    /// Of the bytes, those that it paid for in place of something below it.
    pub lent: u64,
    /// How often something was wanted of it that its ceil did not let through.
    pub overlimits: u64,
    /// Bytes asked and not granted yet; 0 for an inner node.
    pub backlog: u64,
    /// A waiting leaf: since its last grant or, if that is later, since it began to wait.
    pub waiting_since: Option<Tick>,
    /// Credit of its rate in whole bytes, rounded down; negative in debt.
    pub tokens: i64,
    /// Credit of its ceil in whole bytes, rounded down; negative in debt.
    pub ctokens: i64,
    /// Its mode now.
    pub mode: Mode,
}

/// What a node's two buckets hold at an instant, in whole bytes, rounded down; negative in debt. It is enough to go on
/// from in another process: less than a byte is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLevels {
    /// Of its rate.
    pub tokens: i64,
    /// Of its ceil.
    pub ctokens: i64,
}

/// What keeps a waiting leaf waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The limit that binds.
    pub limit: BindingLimit,
    /// Since when it has been binding; it outlasts the grants that come through meanwhile.
    pub since: Tick,
}

/// A limit that can bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingLimit {
    /// It is past its own rate, nobody on its path lends, and others are served first.
    Rate,
    /// The ceil of this node, itself or one above it, is used up.
    Ceil(NodeId),
    /// The sources give less than is wanted.
    Supply,
}
