//! Which record of the state file each node of a pool has, and which records a batch has made stale.

use htb::{NodeId, Tick, Tree};

use super::bucket_state_file::{BucketStateFile, RecordIndex};

#[derive(Debug, Default)]
pub(crate) struct BucketRecords {
    /// By the node's index.
    slots: Vec<Option<(NodeId, RecordIndex)>>,
    /// Nodes charged since they were last saved.
    charged: Vec<NodeId>,
    /// Whether a node is among those, by its index.
    marked: Vec<bool>,
}

impl BucketRecords {
    /// A leaf was charged, and with it all nodes above.
    pub(crate) fn mark_charged(&mut self, tree: &Tree, leaf: NodeId) {
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

    pub(crate) fn slot(&self, node: NodeId) -> Option<RecordIndex> {
        let (owner, slot) = self.slots.get(node.index()).copied().flatten()?;
        (owner == node).then_some(slot)
    }

    /// Gives a node its record. A former node of the same index loses its own.
    pub(crate) fn set(&mut self, node: NodeId, slot: Option<RecordIndex>, state: &mut BucketStateFile) {
        if self.slots.len() <= node.index() {
            self.slots.resize(node.index() + 1, None);
        }
        let old = std::mem::replace(&mut self.slots[node.index()], slot.map(|slot| (node, slot)));
        if let Some((_, slot)) = old {
            state.release(slot);
        }
    }

    pub(crate) fn release(&mut self, node: NodeId, state: &mut BucketStateFile) {
        if self.slot(node).is_some() {
            self.set(node, None, state);
        }
    }

    pub(crate) fn release_all(self, state: &mut BucketStateFile) {
        self.slots.into_iter().flatten().for_each(|(_, slot)| state.release(slot));
    }

    /// Releases those of these nodes that the tree has removed: if one were added again under its name, it would
    /// have two records, and the older one might be read.
    pub(crate) fn prune(
        &mut self,
        nodes: impl IntoIterator<Item = NodeId>,
        tree: &Tree,
        state: &mut BucketStateFile,
    ) {
        nodes.into_iter().filter(|&node| !tree.contains(node)).for_each(|node| self.release(node, state));
    }

    /// Saves the levels of all nodes.
    pub(crate) fn save_all(&mut self, tree: &Tree, state: &mut BucketStateFile, now: Tick) {
        let nodes: Vec<_> = self.slots.iter().flatten().map(|(node, _)| *node).collect();
        self.prune(nodes, tree, state);
        for (node, slot) in self.slots.iter().flatten() {
            state.save_levels(*slot, tree.levels(*node, now), now);
        }
    }

    /// Saves the levels of the nodes that were charged.
    pub(crate) fn save_charged(&mut self, tree: &Tree, state: &mut BucketStateFile, now: Tick) {
        for node in std::mem::take(&mut self.charged) {
            self.marked[node.index()] = false;
            if let Some(slot) = self.slot(node)
                && tree.contains(node)
            {
                state.save_levels(slot, tree.levels(node, now), now);
            }
        }
    }
}
