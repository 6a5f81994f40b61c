//! The decision: who is served next, or until when nobody can be.

use super::Tree;
use crate::node::NodeKind;
use crate::slab::NodeId;
use crate::units::{MAX_GRANT, Tick, units};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Give this leaf so many bytes, 1 to 255; they are charged.
    Grant {
        /// Who gets them.
        leaf: NodeId,
        /// How many.
        bytes: u64,
    },
    /// Nothing can be granted before this instant, and something can then, unless what is asked or allowed
    /// changes meanwhile. It lies in the future.
    WaitUntil(Tick),
    /// The next grant is of so many bytes, more than the supply. Nothing is charged.
    WaitForSupply {
        /// How many.
        bytes: u64,
    },
    /// Nobody wants bytes, or nobody whom time alone could help.
    Idle,
}

impl Tree {
    /// Decides what to do at `now`, when `supply` bytes could be given.
    pub fn dequeue(&mut self, now: Tick, supply: u64) -> Decision {
        self.advance(now);
        let Some((leaf, lender)) = self.pick() else {
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

    /// Settles every node whose time has come.
    pub(super) fn expire(&mut self) {
        while let Some((_, slot)) = self.timers.peek().filter(|&(due, _)| due <= self.now) {
            self.settle(slot); // arms it for later, or not at all
        }
    }

    /// The leaf to serve and the node that pays. Assured first: at each level the lender is looked for among
    /// the assured children, and where none of a node's children is assured, it lends itself.
    fn pick(&self) -> Option<(usize, usize)> {
        if !self.nodes[self.root].ctokens.is_open(self.now) {
            return None;
        }
        let (mut slot, mut lender) = (self.root, None);
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
        self.take_turns(leaf, bytes);
        self.charge_path(leaf, lender, bytes);
    }

    /// Charges every ceil from a leaf to the root, and every rate from the lender up.
    pub(super) fn charge_path(&mut self, leaf: usize, lender: usize, bytes: u64) {
        let cost = units(bytes);
        let (mut next, mut paid) = (Some(leaf), false);
        while let Some(slot) = next {
            paid |= slot == lender;
            let node = &mut self.nodes[slot];
            next = node.parent;
            node.ctokens.charge(cost, self.now);
            if paid {
                node.tokens.charge(cost, self.now);
            } else {
                node.counts.borrowed = node.counts.borrowed.saturating_add(bytes);
            }
            if slot == lender && slot != leaf {
                node.counts.lent = node.counts.lent.saturating_add(bytes);
            }
            node.counts.bytes = node.counts.bytes.saturating_add(bytes);
            node.counts.grants = node.counts.grants.saturating_add(1);
            self.settle_one(slot); // the parent is next anyway
        }
    }

    /// Every node on the path of a grant has had its turn among its siblings.
    fn take_turns(&mut self, leaf: usize, bytes: u64) {
        let mut slot = leaf;
        while let Some(parent) = self.nodes[slot].parent {
            let place = self.nodes[slot].place;
            let mut tag = *self.nodes[slot].tag(place);
            self.nodes[parent].queues_mut().change(place, |queue| queue.serve(&mut tag, bytes));
            *self.nodes[slot].tag(place) = tag;
            slot = parent;
        }
    }

    /// When something can be granted again, given that nothing can now.
    fn wait(&mut self) -> Decision {
        while let Some((due, slot)) = self.timers.peek() {
            let opens = self.path_opens_at(slot);
            if opens > due {
                self.timers.set(&mut self.timer_places, slot, opens);
            } else if due == Tick(u64::MAX) {
                break;
            } else {
                return Decision::WaitUntil(due);
            }
        }
        Decision::Idle
    }

    /// When the last ceil above a node opens; the end of time if one never does.
    fn path_opens_at(&self, slot: usize) -> Tick {
        core::iter::successors(self.nodes[slot].parent, |&slot| self.nodes[slot].parent)
            .map(|slot| self.nodes[slot].ctokens.opens_at().unwrap_or(Tick(u64::MAX)))
            .max()
            .unwrap_or_default()
    }
}
