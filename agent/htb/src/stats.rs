//! Counters, levels, modes and binding limits of nodes.

use crate::slab::NodeId;
use crate::units::Tick;

/// The mode of a node, in the words of `tc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Within its rate.
    CanSend,
    /// Above its rate and within its ceil: an ancestor lends.
    MayBorrow,
    /// Above its ceil.
    CantSend,
}

/// The counters and levels of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes granted through it.
    pub bytes: u64,
    /// Grants through it.
    pub grants: u64,
    /// The part of `bytes` that a node above it has paid for.
    pub borrowed: u64,
    /// The part of `bytes` that it has paid for a node below it.
    pub lent: u64,
    /// How often its ceil did not let a backlog through.
    pub overlimits: u64,
    /// Bytes requested and not granted yet; 0 for an inner node.
    pub backlog: u64,
    /// When a leaf with backlog started to wait, or its last grant if that is later.
    pub waiting_since: Option<Tick>,
    /// The credit of its rate in whole bytes, rounded down; negative in debt.
    pub tokens: i64,
    /// The credit of its ceil in whole bytes, rounded down; negative in debt.
    pub ctokens: i64,
    /// Its mode now.
    pub mode: Mode,
}

/// The levels of the two buckets of a node, in whole bytes, rounded down; negative in debt. Another process can
/// continue from them, with a loss of less than a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLevels {
    /// Of its rate.
    pub tokens: i64,
    /// Of its ceil.
    pub ctokens: i64,
}

/// The limit that makes a leaf wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub limit: BindingLimit,
    /// Since when it has been binding, including grants in the meantime.
    pub since: Tick,
}

/// A limit that can bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingLimit {
    /// The leaf is above its own rate, no node on its path lends, and others are served first.
    Rate,
    /// The ceil of this node, which is the leaf or one of its ancestors, is exhausted.
    Ceil(NodeId),
    /// The sources provide less than is requested.
    Supply,
}
