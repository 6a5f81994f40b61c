//! The nodes of a tree. They refer to each other by slot, which saves checking a key on each step.

use core::ops::{Index, IndexMut};

use crate::node::Node;
use crate::slab::{NodeId, Slab};

#[derive(Debug, Default)]
pub(crate) struct Nodes {
    slab: Slab<Node>,
    /// How often a node was accessed, for the tests of cost.
    #[cfg(test)]
    pub(crate) visits: core::cell::Cell<u64>,
}

impl Nodes {
    pub(crate) fn insert(&mut self, node: Node) -> usize {
        self.slab.insert(node).index()
    }

    pub(crate) fn remove(&mut self, node: NodeId) {
        self.slab.remove(node.0);
    }

    /// How many slots there are, with and without a node.
    pub(crate) fn slots(&self) -> usize {
        self.slab.slots() as usize
    }

    pub(crate) fn id(&self, slot: usize) -> NodeId {
        let key = u32::try_from(slot).ok().and_then(|slot| self.slab.key(slot));
        NodeId(key.expect("a slot in use"))
    }

    pub(crate) fn find(&self, id: NodeId) -> Option<usize> {
        self.slab.get(id.0).map(|_| id.index())
    }
}

impl Index<usize> for Nodes {
    type Output = Node;

    fn index(&self, slot: usize) -> &Node {
        #[cfg(test)]
        self.visits.update(|visits| visits.wrapping_add(1));
        self.slab.at(slot)
    }
}

impl IndexMut<usize> for Nodes {
    fn index_mut(&mut self, slot: usize) -> &mut Node {
        #[cfg(test)]
        self.visits.update(|visits| visits.wrapping_add(1));
        self.slab.at_mut(slot)
    }
}
