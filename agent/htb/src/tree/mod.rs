//! The tree: its nodes, its queues and its timers.

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
use crate::node::Params;
use crate::node::{Leaf, Node, NodeKind, Queues};
use crate::nodes::Nodes;
use crate::slab::NodeId;
use crate::units::Tick;

/// A tree of classes whose leaves have backlogs.
///
/// Every call takes the time. A time before that of an earlier call counts as the latter, so that a clock that
/// goes backwards earns nothing.
///
/// # Panics
///
/// A method that takes a node panics if the node was removed, and one that takes a leaf panics if it is given
/// an inner node: continuing would charge the wrong guest.
#[derive(Debug)]
pub struct Tree {
    nodes: Nodes,
    root: usize,
    now: Tick,
    /// The position of each node in its parent's queues.
    heap_index: HeapIndex,
    /// When the queue slot of a backlogged node changes by the passing of time alone. Never too late, but too
    /// early if a ceil above it turned out to stay closed for longer, which `wait` corrects.
    timers: Heap<Tick>,
    timer_index: HeapIndex,
    /// Since when the supply has been smaller than what could be granted.
    starved_since: Option<Tick>,
    /// How long the leaf of the last grant had waited.
    waited: u64,
}

impl Tree {
    /// A tree of only a root. The root always lends, within its ceil.
    pub fn new(root: Params, now: Tick) -> Self {
        let mut tree = Self {
            nodes: Nodes::default(),
            root: 0,
            now,
            heap_index: HeapIndex::default(),
            timers: Heap::default(),
            timer_index: HeapIndex::default(),
            starved_since: None,
            waited: 0,
        };
        tree.root = tree.insert(Node::new(root.clamped(), None, NodeKind::Inner(Box::default()), now));
        tree
    }

    pub fn root(&self) -> NodeId {
        self.nodes.id(self.root)
    }

    /// Adds an inner node under `parent`, with full buckets.
    ///
    /// # Panics
    ///
    /// If `parent` is a leaf.
    pub fn add_class(&mut self, parent: NodeId, params: Params, now: Tick) -> NodeId {
        self.add(parent, params, NodeKind::Inner(Box::<Queues>::default()), now)
    }

    /// Adds a leaf under `parent`, with full buckets.
    ///
    /// # Panics
    ///
    /// If `parent` is a leaf.
    pub fn add_leaf(&mut self, parent: NodeId, params: Params, now: Tick) -> NodeId {
        self.add(parent, params, NodeKind::Leaf(Leaf::default()), now)
    }

    /// Whether the node is in the tree.
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes.find(node).is_some()
    }

    pub fn params(&self, node: NodeId) -> Params {
        self.nodes[self.slot(node)].params
    }

    /// The parent of a node; `None` for the root.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.nodes[self.slot(node)].parent.map(|slot| self.nodes.id(slot))
    }

    /// How many nanoseconds the leaf of the last grant had waited, from the start of its backlog or its
    /// previous grant.
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
        self.heap_index.grow(self.nodes.slots());
        self.timer_index.grow(self.nodes.slots());
        slot
    }

    fn slot(&self, node: NodeId) -> usize {
        self.nodes.find(node).expect("a node that is still in the tree")
    }

    /// Advances the time. What changes by the passing of time precedes any other change: otherwise a node would
    /// be placed by children whose slots are out of date.
    fn advance(&mut self, now: Tick) {
        self.now = self.now.max(now);
        self.expire();
    }
}
