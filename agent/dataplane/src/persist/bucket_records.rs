//! The records of a pool.

use htb::{NodeId, Tick, Tree};

use super::crash_state::{CrashState, Slot};

/// The records of a pool's nodes, and which of them a batch has made old.
#[derive(Debug, Default)]
pub(crate) struct BucketRecords {
    /// By the node's index.
    pub(crate) slots: Vec<Option<(NodeId, Slot)>>,
    charged: Vec<NodeId>,
    /// Whether it is among those, by its index.
    marked: Vec<bool>,
}

impl BucketRecords {
    /// A leaf was charged, and with it all above.
    pub(crate) fn charge(&mut self, tree: &Tree, leaf: NodeId) {
        for node in std::iter::successors(Some(leaf), |&node| tree.parent(node)) {
            let at = node.index();
            if self.marked.len() <= at {
                self.marked.resize(at + 1, false);
            }
            if std::mem::replace(&mut self.marked[at], true) {
                return;
            }
            self.charged.push(node);
        }
    }

    pub(crate) fn slot(&self, node: NodeId) -> Option<Slot> {
        let (owner, slot) = self.slots.get(node.index()).copied().flatten()?;
        (owner == node).then_some(slot)
    }

    /// Gives a node its record. One that had the same index before has none any more.
    pub(crate) fn set(&mut self, node: NodeId, slot: Option<Slot>, state: &mut CrashState) {
        if self.slots.len() <= node.index() {
            self.slots.resize(node.index() + 1, None);
        }
        let old = std::mem::replace(&mut self.slots[node.index()], slot.map(|slot| (node, slot)));
        if let Some((_, slot)) = old {
            state.release(slot);
        }
    }

    pub(crate) fn release(&mut self, node: NodeId, state: &mut CrashState) {
        if self.slot(node).is_some() {
            self.set(node, None, state);
        }
    }

    /// Releases those of these nodes that are gone: were one made anew under its name, there would be two records of
    /// it, and the older might be believed.
    pub(crate) fn prune(
        &mut self,
        nodes: impl IntoIterator<Item = NodeId>,
        tree: &Tree,
        state: &mut CrashState,
    ) {
        nodes.into_iter().filter(|&node| !tree.contains(node)).for_each(|node| self.release(node, state));
    }

    /// Everybody's parameters may have changed. What was earned so far was earned by the old ones, so it is noted.
    pub(crate) fn refresh(&mut self, tree: &Tree, state: &mut CrashState, now: Tick) {
        let nodes: Vec<_> = self.slots.iter().flatten().map(|(node, _)| *node).collect();
        self.prune(nodes, tree, state);
        for (node, slot) in self.slots.iter().flatten() {
            state.hold(*slot, tree.levels(*node, now), now);
        }
    }

    pub(crate) fn note(&mut self, tree: &Tree, state: &mut CrashState, now: Tick) {
        for node in std::mem::take(&mut self.charged) {
            self.marked[node.index()] = false;
            if let Some(slot) = self.slot(node)
                && tree.contains(node)
            {
                state.hold(slot, tree.levels(node, now), now);
            }
        }
    }
}
