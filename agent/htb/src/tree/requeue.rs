//! Keeping every node in the queue where it belongs.

use alloc::vec::Vec;

use super::Tree;
use crate::node::{NodeKind, NodeShape, QueueSlot};
use crate::units::Tick;

/// What a node's buckets and demand come to.
struct Placement {
    place: QueueSlot,
    held: bool,
    /// When time alone will change this.
    due: Option<Tick>,
}

impl Tree {
    /// Puts a node where it belongs, and every node above for which that makes a difference.
    pub(super) fn settle(&mut self, mut slot: usize) {
        while self.settle_one(slot) {
            let Some(parent) = self.nodes[slot].parent else { return };
            slot = parent;
        }
    }

    /// Puts one node where it belongs. True if its parent has to be looked at.
    pub(super) fn settle_one(&mut self, slot: usize) -> bool {
        let verdict = self.judge(slot);
        self.arm(slot, verdict.due);
        let node = &mut self.nodes[slot];
        if verdict.held && !node.held {
            node.counts.overlimits = node.counts.overlimits.saturating_add(1);
        }
        node.held = verdict.held;
        self.put(slot, verdict.place)
    }

    /// Puts what is below a node back to when its own buckets say, since one above may open sooner than it did.
    pub(super) fn rearm_below(&mut self, top: usize) {
        if matches!(self.nodes[top].kind, NodeKind::Leaf(_)) {
            return;
        }
        let below: Vec<_> = self.timers.slots().filter(|&slot| self.is_below(slot, top)).collect();
        for slot in below {
            self.settle(slot); // it may be due by now
        }
    }

    /// Whether `slot` is `top` or below it.
    pub(super) fn is_below(&self, slot: usize, top: usize) -> bool {
        core::iter::successors(Some(slot), |&slot| self.nodes[slot].parent).any(|slot| slot == top)
    }

    fn judge(&self, slot: usize) -> Placement {
        let node = &self.nodes[slot];
        let NodeShape { assured, ready } = node.shape();
        if !ready {
            Placement { place: QueueSlot::Out, held: false, due: None }
        } else if !node.ctokens.is_open(self.now) {
            Placement { place: QueueSlot::Out, held: true, due: node.ctokens.opens_at() }
        } else if node.parent.is_none() {
            Placement { place: QueueSlot::Out, held: false, due: None }
        } else if assured || node.pays(self.now) {
            Placement { place: QueueSlot::Assured, held: false, due: None }
        } else {
            let due = if node.params.rate.0 > 0 { node.tokens.opens_at() } else { None };
            Placement { place: QueueSlot::Borrowing(node.params.prio), held: false, due }
        }
    }

    fn arm(&mut self, slot: usize, due: Option<Tick>) {
        match due {
            Some(due) => self.timers.set(&mut self.timer_places, slot, due),
            None => self.timers.remove(&mut self.timer_places, slot),
        }
    }

    /// Moves a node to another place. True if that changes what its parent's own place depends on.
    pub(super) fn put(&mut self, slot: usize, to: QueueSlot) -> bool {
        let node = &mut self.nodes[slot];
        let from = core::mem::replace(&mut node.place, to);
        let Some(parent) = node.parent else { return false };
        let mut tag = *node.tag(to);
        let queues = self.nodes[parent].queues_mut();
        let before = queues.shape();
        if from == to {
            queues.change(to, |queue| queue.update(&mut self.places, slot, &tag));
            return false;
        }
        queues.change(from, |queue| queue.leave(&mut self.places, slot));
        queues.change(to, |queue| queue.enter(&mut self.places, slot, &mut tag));
        let changed = before != queues.shape();
        if to != QueueSlot::Out {
            *self.nodes[slot].tag(to) = tag;
        }
        changed
    }
}
