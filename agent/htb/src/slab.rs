//! Nodes in slots that are used again, and names for them that are not.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::node::Node;

/// A node of a [`Tree`](crate::Tree): a slot and which of its tenants. It never names a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    slot: u32,
    generation: u32,
}

impl NodeId {
    /// The slot: dense and used again, for side tables.
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    node: Option<Node>,
}

/// The nodes. Indexing takes a slot that is known to be in use.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// How often a node was looked at, for the tests of cost.
    #[cfg(test)]
    pub(crate) looks: core::cell::Cell<u64>,
}

impl Slab {
    pub(crate) fn insert(&mut self, node: Node) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len().saturating_sub(1)
        });
        self.slots[slot].node = Some(node);
        slot
    }

    pub(crate) fn remove(&mut self, slot: usize) {
        let entry = &mut self.slots[slot];
        entry.node = None;
        entry.generation = entry.generation.wrapping_add(1); // the same id returns after 2³² tenants of a slot
        self.free.push(slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn id(&self, slot: usize) -> NodeId {
        let generation = self.slots[slot].generation;
        NodeId { slot: u32::try_from(slot).expect("fewer than 2³² nodes"), generation }
    }

    pub(crate) fn find(&self, id: NodeId) -> Option<usize> {
        let entry = self.slots.get(id.index())?;
        (entry.generation == id.generation && entry.node.is_some()).then_some(id.index())
    }
}

impl Index<usize> for Slab {
    type Output = Node;

    fn index(&self, slot: usize) -> &Node {
        #[cfg(test)]
        self.looks.update(|looks| looks.wrapping_add(1));
        self.slots[slot].node.as_ref().expect("a slot in use")
    }
}

impl IndexMut<usize> for Slab {
    fn index_mut(&mut self, slot: usize) -> &mut Node {
        #[cfg(test)]
        self.looks.update(|looks| looks.wrapping_add(1));
        self.slots[slot].node.as_mut().expect("a slot in use")
    }
}
