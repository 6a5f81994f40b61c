//! Changes to the tree while it serves.

use core::fmt;

use super::Tree;
use crate::node::{NodeKind, QueueSlot};
use crate::params::Params;
use crate::slab::NodeId;
use crate::stats::BucketLevels;
use crate::units::{Tick, signed_units};

/// Why a node cannot be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveError {
    /// The root stays.
    Root,
    /// It has children.
    HasChildren,
}

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "the root cannot be removed",
            Self::HasChildren => "a node with children cannot be removed",
        })
    }
}

impl core::error::Error for RemoveError {}

/// Why a node cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentError {
    /// The root has no parent.
    Root,
    /// The new parent is a leaf.
    Leaf,
    /// The new parent is the node itself or below it.
    Cycle,
}

impl fmt::Display for ParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "the root cannot be moved",
            Self::Leaf => "a leaf cannot be a parent",
            Self::Cycle => "a node cannot be moved below itself",
        })
    }
}

impl core::error::Error for ParentError {}

impl Tree {
    /// Removes a node, and what it is owed and owes.
    pub fn remove(&mut self, node: NodeId, now: Tick) -> Result<(), RemoveError> {
        self.advance(now);
        let slot = self.slot(node);
        let parent = self.nodes[slot].parent.ok_or(RemoveError::Root)?;
        if self.nodes[slot].children > 0 {
            return Err(RemoveError::HasChildren);
        }
        if let NodeKind::Leaf(_) = self.nodes[slot].kind {
            self.cancel(node, u64::MAX, now);
        }
        self.nodes[parent].children = self.nodes[parent].children.saturating_sub(1);
        self.nodes.remove(node);
        Ok(())
    }

    /// Gives a node other parameters. What it earned so far it earned at the old rate; tokens and debts stay, but
    /// for what a smaller burst cannot hold.
    pub fn set_params(&mut self, node: NodeId, params: Params, now: Tick) {
        self.advance(now);
        let (slot, params) = (self.slot(node), params.clamped());
        if self.nodes[slot].params.prio != params.prio {
            if self.nodes[slot].place != QueueSlot::Assured {
                self.put(slot, QueueSlot::Out); // of the queue of the old prio
            }
            self.nodes[slot].borrowed.reset();
        }
        let node = &mut self.nodes[slot];
        let was_open = node.ctokens.is_open(self.now);
        node.tokens.set(params.rate, params.burst, self.now);
        node.ctokens.set(params.ceil, params.cburst, self.now);
        node.assured.set_share(params.rate.0);
        node.borrowed.set_share(u64::from(params.weight));
        node.params = params;
        self.settle_with(slot, self.nodes[slot].parent);
        if !was_open {
            self.rearm_below(slot);
        }
    }

    /// Has a node's buckets hold what they held at `at`, perhaps in another process with the same clock. An instant that
    /// is yet to come counts as now: nobody is made to wait for a clock that was another's.
    pub fn restore(&mut self, node: NodeId, levels: BucketLevels, at: Tick, now: Tick) {
        self.advance(now);
        let (slot, at) = (self.slot(node), at.min(self.now));
        let node = &mut self.nodes[slot];
        let was_open = node.ctokens.is_open(self.now);
        node.tokens.restore(signed_units(levels.tokens), at);
        node.ctokens.restore(signed_units(levels.ctokens), at);
        self.settle(slot);
        if !was_open {
            self.rearm_below(slot);
        }
    }

    /// Moves a node, and all below it, under another parent. Tokens, debts and backlogs go with it.
    pub fn set_parent(&mut self, node: NodeId, parent: NodeId, now: Tick) -> Result<(), ParentError> {
        self.advance(now);
        let (slot, to) = (self.slot(node), self.slot(parent));
        let from = self.nodes[slot].parent.ok_or(ParentError::Root)?;
        if matches!(self.nodes[to].kind, NodeKind::Leaf(_)) {
            return Err(ParentError::Leaf);
        }
        if self.is_below(to, slot) {
            return Err(ParentError::Cycle);
        }
        if from == to {
            return Ok(());
        }
        self.put(slot, QueueSlot::Out);
        self.nodes[from].children = self.nodes[from].children.saturating_sub(1);
        self.nodes[to].children = self.nodes[to].children.saturating_add(1);
        let node = &mut self.nodes[slot];
        node.parent = Some(to);
        node.assured.reset();
        node.borrowed.reset();
        self.settle_with(slot, Some(from));
        self.rearm_below(slot);
        Ok(())
    }

    /// Settles a node that was taken out of its parent's queues, and only then that parent: what still is wanted
    /// all the time must not lose its turn.
    fn settle_with(&mut self, slot: usize, parent: Option<usize>) {
        self.settle(slot);
        if let Some(parent) = parent {
            self.settle(parent);
        }
    }
}
