//! What the daemon says about itself, as plain types. They are also the documents of `-o json`.

mod pool;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod vm;

use serde::Serialize;

pub(crate) use pool::{Class, Pool};
pub(crate) use source::{Failures, Output, PoolOutput, Source, SourceState, SourceStats};
pub(crate) use tree::Tree;
pub(crate) use units::{Rate, Span};
pub(crate) use vm::{Binding, Client, Explanation, Limit, LimitHits, NodeKind, Serving, Step, Vm};

/// The four numbers of a `tc-htb` class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    pub(crate) rate: Rate,
    pub(crate) ceil: Rate,
    pub(crate) burst: u64,
    pub(crate) cburst: u64,
}

/// What went through a node of the tree since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    pub(crate) bytes: u64,
    pub(crate) grants: u64,
    pub(crate) borrowed: u64,
    pub(crate) lent: u64,
    pub(crate) overlimits: u64,
}

/// Both buckets of a node, in bytes; below zero is debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Level {
    pub(crate) tokens: i64,
    pub(crate) ctokens: i64,
    pub(crate) mode: Mode,
}

/// What a node may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mode {
    CanSend,
    MayBorrow,
    CantSend,
}
