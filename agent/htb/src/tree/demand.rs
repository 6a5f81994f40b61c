//! The backlog of leaves, and bytes that were served without a grant.

use super::Tree;
use crate::node::{Leaf, QueueSlot};
use crate::slab::NodeId;
use crate::units::{MAX_OWED, Tick, whole_bytes};

/// How long a postponed leaf keeps its place: a second, since clients that got nothing pause before they ask again.
const PLACE_KEPT: u64 = 1_000_000_000;

impl Tree {
    /// Adds to the backlog of a leaf, up to [`MAX_OWED`]. Returns how many bytes were added.
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

    /// Removes bytes that were requested and not granted. Returns how many bytes were removed.
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

    /// Removes bytes as [`cancel`](Self::cancel) does, if whoever requested them is likely to do so again: for a second
    /// the leaf, and the nodes above that leave their queues with it, keep their places. Otherwise a client that waits
    /// for some time only, and then asks again, would enter as the last each time, and might never be the first. It never
    /// gets more than if it had waited.
    pub fn postpone(&mut self, leaf: NodeId, bytes: u64, now: Tick) -> u64 {
        self.advance(now);
        self.keep_places(leaf, self.now.after(PLACE_KEPT));
        let taken = self.cancel(leaf, bytes, now);
        self.keep_places(leaf, Tick(0)); // of those that stay in their queues
        taken
    }

    /// For a leaf and the nodes above it that are in a queue.
    fn keep_places(&mut self, leaf: NodeId, until: Tick) {
        let mut next = Some(self.slot(leaf));
        while let Some(slot) = next {
            let node = &mut self.nodes[slot];
            if node.queue_slot != QueueSlot::Out {
                node.tag(node.queue_slot).keep_until(until);
            }
            next = node.parent;
        }
    }

    /// Bytes requested and not granted yet.
    pub fn backlog(&self, leaf: NodeId) -> u64 {
        self.nodes[self.slot(leaf)].leaf().backlog
    }

    /// The bytes that the leaf's own ceil would let through now, at most its `cburst`. Nodes above do not
    /// count: their levels reveal what others consume, and a leaf belongs to a guest that must not learn it.
    pub fn available(&mut self, leaf: NodeId, now: Tick) -> u64 {
        self.advance(now);
        let own = self.nodes[self.slot(leaf)].ctokens.level(self.now);
        u64::try_from(whole_bytes(own)).unwrap_or(0)
    }

    /// Charges bytes that were served without a request, like a grant: to the nearest node that pays. They can
    /// put any bucket into debt. They do not affect the order of the queues.
    pub fn charge(&mut self, leaf: NodeId, bytes: u64, now: Tick) {
        self.advance(now);
        let leaf = self.slot(leaf);
        let lender = core::iter::successors(Some(leaf), |&slot| self.nodes[slot].parent)
            .find(|&slot| self.nodes[slot].is_within_rate(self.now))
            .unwrap_or(self.root);
        self.charge_path(leaf, lender, bytes);
    }

    /// Changes a leaf, and everything that depends on whether it is backlogged.
    fn change_leaf<T>(&mut self, leaf: NodeId, change: impl FnOnce(&mut Leaf) -> T) -> T {
        let slot = self.slot(leaf);
        let leaf = self.nodes[slot].leaf_mut();
        let wanted = leaf.is_backlogged();
        let result = change(leaf);
        let wants = leaf.is_backlogged();
        if wants != wanted {
            self.requeue(slot);
        }
        result
    }
}
