//! The decision: which leaf is served next, or how long none can be.

use super::Tree;
use crate::node::NodeKind;
use crate::slab::NodeId;
use crate::units::{MAX_GRANT, Tick, units};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve this leaf so many bytes, 1 to 255. They are charged.
    Grant { leaf: NodeId, bytes: u64 },
    /// Nothing can be granted before this instant, which is in the future, and something can then, unless
    /// backlogs or parameters change in the meantime.
    WaitUntil(Tick),
    /// The next grant has more bytes than the supply. Nothing is charged.
    WaitForSupply { bytes: u64 },
    /// No leaf is backlogged, or none that could be served by the passing of time alone.
    Idle,
}

impl Tree {
    /// Decides what to do at `now` with a supply of `supply` bytes.
    pub fn dequeue(&mut self, now: Tick, supply: u64) -> Decision {
        self.advance(now);
        let Some((leaf, lender)) = self.select() else {
            self.starved_since = None;
            return self.wait();
        };
        let bytes = self.nodes[leaf].leaf().backlog.min(MAX_GRANT);
        if bytes > supply {
            self.starved_since.get_or_insert(self.now);
            return Decision::WaitForSupply { bytes };
        }
        self.grant(leaf, lender, bytes);
        Decision::Grant { leaf: self.nodes.id(leaf), bytes }
    }

    /// Requeues every node whose timer has expired.
    pub(super) fn expire(&mut self) {
        while let Some((_, slot)) = self.timers.peek().filter(|&(due, _)| due <= self.now) {
            self.requeue(slot); // sets the timer again or removes it
        }
    }

    /// Selects the leaf to serve and the node that lends. Assured bytes go first: at each level the lender is
    /// among the assured children, and a node with no assured child lends itself.
    fn select(&self) -> Option<(usize, usize)> {
        if !self.nodes[self.root].ctokens.is_open(self.now) {
            return None;
        }
        let mut slot = self.root;
        let mut lender = None;
        while let NodeKind::Inner(queues) = &self.nodes[slot].kind {
            slot = if let Some(child) = queues.first_assured() {
                child
            } else {
                lender = lender.or(Some(slot));
                queues.first_borrower()?
            };
        }
        Some((slot, lender.unwrap_or(slot)))
    }

    fn grant(&mut self, leaf: usize, lender: usize, bytes: u64) {
        let state = self.nodes[leaf].leaf_mut();
        state.backlog = state.backlog.saturating_sub(bytes);
        let since = state.waiting_since.unwrap_or(self.now);
        self.waited = self.now.0.saturating_sub(since.0);
        state.waiting_since = (state.backlog > 0).then_some(self.now);
        self.advance_queues(leaf, bytes);
        self.charge_path(leaf, lender, bytes);
    }

    /// Charges every ceil from a leaf to the root, and every rate from the lender upwards.
    pub(super) fn charge_path(&mut self, leaf: usize, lender: usize, bytes: u64) {
        let cost = units(bytes);
        let mut next = Some(leaf);
        let mut paid = false;
        while let Some(slot) = next {
            paid |= slot == lender;
            let node = &mut self.nodes[slot];
            next = node.parent;
            node.ctokens.charge(cost, self.now);
            if paid {
                node.tokens.charge(cost, self.now);
            } else {
                node.counters.borrowed = node.counters.borrowed.saturating_add(bytes);
            }
            if slot == lender && slot != leaf {
                node.counters.lent = node.counters.lent.saturating_add(bytes);
            }
            node.counters.bytes = node.counters.bytes.saturating_add(bytes);
            node.counters.grants = node.counters.grants.saturating_add(1);
            self.requeue_one(slot); // the loop continues with the parent
        }
    }

    /// Accounts for a grant in the queues of every node on its path.
    fn advance_queues(&mut self, leaf: usize, bytes: u64) {
        let mut slot = leaf;
        while let Some(parent) = self.nodes[slot].parent {
            let queue_slot = self.nodes[slot].queue_slot;
            let mut tag = *self.nodes[slot].tag(queue_slot);
            self.nodes[parent].queues_mut().change(queue_slot, |queue| queue.serve(&mut tag, bytes));
            *self.nodes[slot].tag(queue_slot) = tag;
            slot = parent;
        }
    }

    /// When something can be granted again, given that nothing can be now.
    fn wait(&mut self) -> Decision {
        while let Some((due, slot)) = self.timers.peek() {
            let opens = self.path_opens_at(slot);
            if opens > due {
                self.timers.set(&mut self.timer_index, slot, opens);
            } else if due == Tick(u64::MAX) {
                break;
            } else {
                return Decision::WaitUntil(due);
            }
        }
        Decision::Idle
    }

    /// When the last ceil above a node opens; the maximum if one never does.
    fn path_opens_at(&self, slot: usize) -> Tick {
        core::iter::successors(self.nodes[slot].parent, |&slot| self.nodes[slot].parent)
            .map(|slot| self.nodes[slot].ctokens.opens_at().unwrap_or(Tick(u64::MAX)))
            .max()
            .unwrap_or_default()
    }
}
