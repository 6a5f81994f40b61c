//! The tree: what it is made of and how it is asked about itself.

mod change;
#[cfg(test)]
mod cost;
mod demand;
mod dequeue;
mod inspect;
mod requeue;

use alloc::boxed::Box;

pub use change::{ParentError, RemoveError};
pub use dequeue::Decision;

use crate::heap::{Heap, HeapIndex};
use crate::node::{Leaf, Node, NodeKind, Queues};
use crate::nodes::Nodes;
use crate::params::Params;
use crate::slab::NodeId;
use crate::units::Tick;

/// A tree of classes with leaves that are owed bytes.
///
/// Every call brings the time; one that lies before an earlier one counts as that, so time that goes backwards
/// earns nothing.
///
/// # Panics
/// A method that takes a node panics if that was removed, or if it takes a leaf and is given an inner node:
/// going on would charge the wrong guest.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    root: usize,
    now: Tick,
    /// Where each node stands in its parent's queues.
    places: HeapIndex,
    /// When time alone will change the place of a node, for nodes that something is wanted of. Never later than
    /// that, but earlier where a ceil above turned out to hold longer; `wait` puts that right.
    timers: Heap<Tick>,
    timer_places: HeapIndex,
    /// Since when the supply has been smaller than what could be granted.
    starved_since: Option<Tick>,
    /// How long the leaf of the last grant had waited for it.
    waited: u64,
}

impl Tree {
    /// A tree of a root only. The root always lends, as far as its ceil allows.
    pub fn new(root: Params, now: Tick) -> Self {
        let mut tree = Self {
            nodes: Nodes::default(),
            root: 0,
            now,
            places: HeapIndex::default(),
            timers: Heap::default(),
            timer_places: HeapIndex::default(),
            starved_since: None,
            waited: 0,
        };
        tree.root = tree.insert(Node::new(root.clamped(), None, NodeKind::Inner(Box::default()), now));
        tree
    }

    /// The root.
    pub fn root(&self) -> NodeId {
        self.nodes.id(self.root)
    }

    /// A new inner node under `parent`, with full buckets.
    ///
    /// # Panics
    /// If `parent` is a leaf.
    pub fn add_class(&mut self, parent: NodeId, params: Params, now: Tick) -> NodeId {
        self.add(parent, params, NodeKind::Inner(Box::<Queues>::default()), now)
    }

    /// A new leaf under `parent`, with full buckets.
    ///
    /// # Panics
    /// If `parent` is a leaf.
    pub fn add_leaf(&mut self, parent: NodeId, params: Params, now: Tick) -> NodeId {
        self.add(parent, params, NodeKind::Leaf(Leaf::default()), now)
    }

    /// Whether that node is (still) in the tree.
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes.find(node).is_some()
    }

    /// The parameters of a node.
    pub fn params(&self, node: NodeId) -> Params {
        self.nodes[self.slot(node)].params
    }

    /// The parent of a node; the root has none.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.nodes[self.slot(node)].parent.map(|slot| self.nodes.id(slot))
    }

    /// How many nanoseconds the leaf of the last grant had waited: since it began to, or since the grant before.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    fn add(&mut self, parent: NodeId, params: Params, kind: NodeKind, now: Tick) -> NodeId {
        self.advance(now);
        let parent = self.slot(parent);
        assert!(matches!(self.nodes[parent].kind, NodeKind::Inner(_)), "only an inner node has children");
        self.nodes[parent].children = self.nodes[parent].children.saturating_add(1);
        let slot = self.insert(Node::new(params.clamped(), Some(parent), kind, self.now));
        self.nodes.id(slot)
    }

    fn insert(&mut self, node: Node) -> usize {
        let slot = self.nodes.insert(node);
        self.places.grow(self.nodes.slots());
        self.timer_places.grow(self.nodes.slots());
        slot
    }

    fn slot(&self, node: NodeId) -> usize {
        self.nodes.find(node).expect("a node that is still in the tree")
    }

    /// Lets time pass. What it changes by itself comes before what is about to be done: otherwise a node would be judged
    /// by children that are not as they are.
    fn advance(&mut self, now: Tick) {
        self.now = self.now.max(now);
        self.expire();
    }
}
