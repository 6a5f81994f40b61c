//! Statistics, bucket levels and binding limits.

use super::Tree;
use crate::node::{Node, NodeKind};
use crate::slab::NodeId;
use crate::stats::{Binding, BindingLimit, BucketLevels, Mode, Stats};
use crate::units::{Tick, whole_bytes};

impl Tree {
    /// The counters of a node, and its levels at `now`.
    pub fn stats(&self, node: NodeId, now: Tick) -> Stats {
        let (node, now) = (&self.nodes[self.slot(node)], now.max(self.now));
        let (backlog, waiting_since) = match &node.kind {
            NodeKind::Leaf(leaf) => (leaf.backlog, leaf.waiting_since),
            NodeKind::Inner(_) => (0, None),
        };
        Stats {
            bytes: node.counters.bytes,
            grants: node.counters.grants,
            borrowed: node.counters.borrowed,
            lent: node.counters.lent,
            overlimits: node.counters.overlimits,
            backlog,
            waiting_since,
            tokens: whole_bytes(node.tokens.level(now)),
            ctokens: whole_bytes(node.ctokens.level(now)),
            mode: mode(node, now),
        }
    }

    /// The bucket levels of a node at `now`.
    pub fn levels(&self, node: NodeId, now: Tick) -> BucketLevels {
        let (node, now) = (&self.nodes[self.slot(node)], now.max(self.now));
        let [tokens, ctokens] = [&node.tokens, &node.ctokens].map(|bucket| whole_bytes(bucket.level(now)));
        BucketLevels { tokens, ctokens }
    }

    /// The limit that makes a leaf wait, as of the last decision; `None` if it does not wait.
    ///
    /// If several ceils are exhausted, it is the one that opens last. It has been binding since its bucket
    /// first ran empty after it was last full.
    pub fn binding(&self, leaf: NodeId, now: Tick) -> Option<Binding> {
        let slot = self.slot(leaf);
        let since =
            self.nodes[slot].leaf().waiting_since.filter(|_| self.nodes[slot].leaf().is_backlogged())?;
        // A ceil binds until the decision that follows its opening.
        let at = now.min(self.now);
        let closed = core::iter::successors(Some(slot), |&slot| self.nodes[slot].parent)
            .filter(|&slot| !self.nodes[slot].ctokens.is_open(at))
            .max_by_key(|&slot| self.nodes[slot].ctokens.opens_at().unwrap_or(Tick(u64::MAX)));
        Some(if let Some(slot) = closed {
            let since = self.nodes[slot].ctokens.empty_since().unwrap_or(since);
            Binding { limit: BindingLimit::Ceil(self.nodes.id(slot)), since }
        } else if let Some(since) = self.starved_since {
            Binding { limit: BindingLimit::Supply, since }
        } else {
            Binding { limit: BindingLimit::Rate, since }
        })
    }
}

fn mode(node: &Node, now: Tick) -> Mode {
    if !node.ctokens.is_open(now) {
        Mode::CantSend
    } else if node.is_within_rate(now) {
        Mode::CanSend
    } else {
        Mode::MayBorrow
    }
}
