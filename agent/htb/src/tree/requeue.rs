//! Keeps every node in the right queue of its parent.

use alloc::vec::Vec;

use super::Tree;
use crate::node::{NodeKind, QueueSlot, Readiness};
use crate::units::Tick;

/// The queue slot of a node, as its buckets and backlogs determine it.
struct Placement {
    queue_slot: QueueSlot,
    throttled: bool,
    /// When it changes by the passing of time alone.
    due: Option<Tick>,
}

impl Tree {
    /// Updates the queue slot of a node, and of every node above it for which that matters.
    pub(super) fn requeue(&mut self, mut slot: usize) {
        while self.requeue_one(slot) {
            let Some(parent) = self.nodes[slot].parent else { return };
            slot = parent;
        }
    }

    /// Updates the queue slot of a node. Returns true if its parent has to be updated.
    pub(super) fn requeue_one(&mut self, slot: usize) -> bool {
        let placement = self.placement(slot);
        self.arm(slot, placement.due);
        let node = &mut self.nodes[slot];
        if placement.throttled && !node.throttled {
            node.counters.overlimits = node.counters.overlimits.saturating_add(1);
        }
        node.throttled = placement.throttled;
        self.put(slot, placement.queue_slot)
    }

    /// Resets the timers below a node according to their own buckets, because a ceil above can open sooner than
    /// before.
    pub(super) fn rearm_below(&mut self, top: usize) {
        if matches!(self.nodes[top].kind, NodeKind::Leaf(_)) {
            return;
        }
        let below: Vec<_> = self.timers.slots().filter(|&slot| self.is_below(slot, top)).collect();
        for slot in below {
            self.requeue(slot); // its timer may have expired
        }
    }

    /// Whether `slot` is `top` or below it.
    pub(super) fn is_below(&self, slot: usize, top: usize) -> bool {
        core::iter::successors(Some(slot), |&slot| self.nodes[slot].parent).any(|slot| slot == top)
    }

    fn placement(&self, slot: usize) -> Placement {
        let node = &self.nodes[slot];
        let Readiness { assured, ready } = node.readiness();
        if !ready {
            Placement { queue_slot: QueueSlot::Out, throttled: false, due: None }
        } else if !node.ctokens.is_open(self.now) {
            Placement { queue_slot: QueueSlot::Out, throttled: true, due: node.ctokens.opens_at() }
        } else if node.parent.is_none() {
            Placement { queue_slot: QueueSlot::Out, throttled: false, due: None }
        } else if assured || node.is_within_rate(self.now) {
            Placement { queue_slot: QueueSlot::Assured, throttled: false, due: None }
        } else {
            let due = if node.params.rate.0 > 0 { node.tokens.opens_at() } else { None };
            Placement { queue_slot: QueueSlot::Borrowing(node.params.prio), throttled: false, due }
        }
    }

    fn arm(&mut self, slot: usize, due: Option<Tick>) {
        match due {
            Some(due) => self.timers.set(&mut self.timer_index, slot, due),
            None => self.timers.remove(&mut self.timer_index, slot),
        }
    }

    /// Moves a node to another queue slot. Returns true if that changes what the slot of its parent depends on.
    pub(super) fn put(&mut self, slot: usize, to: QueueSlot) -> bool {
        let node = &mut self.nodes[slot];
        let from = core::mem::replace(&mut node.queue_slot, to);
        let Some(parent) = node.parent else { return false };
        let mut tag = *node.tag(to);
        let queues = self.nodes[parent].queues_mut();
        let before = queues.readiness();
        if from == to {
            queues.change(to, |queue| queue.update(&mut self.heap_index, slot, &tag));
            return false;
        }
        queues.change(from, |queue| queue.remove(&mut self.heap_index, slot));
        queues.change(to, |queue| queue.insert(&mut self.heap_index, slot, &mut tag, self.now));
        let changed = before != queues.readiness();
        if to != QueueSlot::Out {
            *self.nodes[slot].tag(to) = tag;
        }
        changed
    }
}
