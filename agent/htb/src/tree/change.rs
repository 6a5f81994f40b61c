//! Changes of nodes: parameters, parents, levels and removal.

use core::fmt;

use super::Tree;
use crate::node::Params;
use crate::node::{NodeKind, QueueSlot};
use crate::slab::NodeId;
use crate::stats::BucketLevels;
use crate::units::{Tick, signed_units};

/// Why a node cannot be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveError {
    Root,
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
    /// The new parent is the node itself or a node below it.
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
    /// Removes a node with its backlog and its debts.
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

    /// Changes the parameters of a node. Credit that was earned so far was earned at the old rate; tokens and
    /// debts stay, except for what exceeds a smaller burst.
    pub fn set_params(&mut self, node: NodeId, params: Params, now: Tick) {
        self.advance(now);
        let (slot, params) = (self.slot(node), params.clamped());
        if self.nodes[slot].params.prio != params.prio {
            if self.nodes[slot].queue_slot != QueueSlot::Assured {
                self.put(slot, QueueSlot::Out); // while the old prio still identifies its queue
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
        self.requeue_with(slot, self.nodes[slot].parent);
        if !was_open {
            self.rearm_below(slot);
        }
    }

    /// Restores the bucket levels that a node had at `at`, possibly in another process with the same clock. An
    /// instant in the future counts as now: no leaf has to wait for another process's clock.
    pub fn restore(&mut self, node: NodeId, levels: BucketLevels, at: Tick, now: Tick) {
        self.advance(now);
        let (slot, at) = (self.slot(node), at.min(self.now));
        let node = &mut self.nodes[slot];
        let was_open = node.ctokens.is_open(self.now);
        node.tokens.restore(signed_units(levels.tokens), at);
        node.ctokens.restore(signed_units(levels.ctokens), at);
        self.requeue(slot);
        if !was_open {
            self.rearm_below(slot);
        }
    }

    /// Moves a node and all nodes below it under another parent, with tokens, debts and backlogs.
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
        self.requeue_with(slot, Some(from));
        self.rearm_below(slot);
        Ok(())
    }

    /// Requeues a node that was removed from its parent's queues, and only then the parent: a node with a
    /// constant backlog must not lose its position.
    fn requeue_with(&mut self, slot: usize, parent: Option<usize>) {
        self.requeue(slot);
        if let Some(parent) = parent {
            self.requeue(parent);
        }
    }
}
