//! What leaves ask, and what they got by another way.

use super::Tree;
use crate::node::Leaf;
use crate::slab::NodeId;
use crate::units::{MAX_OWED, Tick, whole_bytes};

impl Tree {
    /// Adds to what a leaf is owed, up to [`MAX_OWED`]; returns what was really added.
    pub fn enqueue(&mut self, leaf: NodeId, bytes: u64, now: Tick) -> u64 {
        self.advance(now);
        let now = self.now;
        self.change_leaf(leaf, |leaf| {
            let added = bytes.min(MAX_OWED.saturating_sub(leaf.backlog));
            leaf.backlog = leaf.backlog.saturating_add(added);
            if leaf.backlog > 0 {
                leaf.waiting_since.get_or_insert(now);
            }
            added
        })
    }

    /// Takes back what was asked and not granted; returns how much that really was.
    pub fn cancel(&mut self, leaf: NodeId, bytes: u64, now: Tick) -> u64 {
        self.advance(now);
        self.change_leaf(leaf, |leaf| {
            let taken = bytes.min(leaf.backlog);
            leaf.backlog = leaf.backlog.saturating_sub(taken);
            if leaf.backlog == 0 {
                leaf.waiting_since = None;
            }
            taken
        })
    }

    /// Bytes asked and not granted.
    pub fn backlog(&self, leaf: NodeId) -> u64 {
        self.nodes[self.slot(leaf)].leaf().backlog
    }

    /// Bytes that the leaf's own ceil would let through now, at most its `cburst`. The nodes above do not count: what
    /// is left of theirs tells what others take, and a leaf belongs to a guest that has no business to know.
    pub fn available(&mut self, leaf: NodeId, now: Tick) -> u64 {
        self.advance(now);
        let own = self.nodes[self.slot(leaf)].ctokens.level(self.now);
        u64::try_from(whole_bytes(own)).unwrap_or(0)
    }

    /// Charges bytes that were served without being asked, as a grant would have been: to the nearest node that
    /// pays. They may put any bucket into debt. Nobody's turn is used up.
    pub fn charge(&mut self, leaf: NodeId, bytes: u64, now: Tick) {
        self.advance(now);
        let leaf = self.slot(leaf);
        let lender = core::iter::successors(Some(leaf), |&slot| self.nodes[slot].parent)
            .find(|&slot| self.nodes[slot].pays(self.now))
            .unwrap_or(self.root);
        self.charge_path(leaf, lender, bytes);
    }

    /// Changes a leaf and, if that changes whether it wants bytes, all that depends on it.
    fn change_leaf<T>(&mut self, leaf: NodeId, change: impl FnOnce(&mut Leaf) -> T) -> T {
        let slot = self.slot(leaf);
        let leaf = self.nodes[slot].leaf_mut();
        let wanted = leaf.wants();
        let result = change(leaf);
        let wants = leaf.wants();
        if wants != wanted {
            self.settle(slot);
        }
        result
    }
}
