//! Leaves with a constant backlog, and time that passes as the tree demands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use htb::{Decision, MAX_GRANT, NodeId, Params, Rate, Tick, Tree};

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const DAY: u64 = 86_400 * SECOND;

/// Nothing assured, no ceil worth the name.
pub(crate) const PLAIN: Params = Params {
    rate: Rate::ZERO,
    ceil: Rate::per_second(1 << 40),
    burst: 1024,
    cburst: 1024,
    prio: 4,
    weight: 100,
};

/// A root that serves so many bytes a second.
pub(crate) fn root(per_second: u64) -> Params {
    let rate = Rate::per_second(per_second);
    Params { rate, ceil: rate, ..PLAIN }
}

/// How long a non-blocking read waits.
const MAX_WAIT: u64 = SECOND / 10;

/// How the leaves are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// By a client with some requests pending, which wait until they are granted (0x02).
    Blocking,
    /// By a client with one request at a time, which waits for a while and is then made again (0x01).
    NonBlocking,
    /// Every other leaf so.
    Mixed,
}

impl Reads {
    pub(crate) const ALL: [Self; 3] = [Self::Blocking, Self::NonBlocking, Self::Mixed];
}

/// A tree under flood.
pub(crate) struct Flood {
    pub(crate) tree: Tree,
    pub(crate) now: u64,
    reads: Reads,
    leaves: usize,
    /// Until when the request of each leaf waits that has non-blocking reads.
    waits: BTreeMap<NodeId, u64>,
    ends: BinaryHeap<Reverse<(u64, NodeId)>>,
}

impl Flood {
    pub(crate) fn new(root: Params) -> Self {
        Self::of(Reads::Blocking, root)
    }

    pub(crate) fn of(reads: Reads, root: Params) -> Self {
        let (waits, ends) = (BTreeMap::new(), BinaryHeap::new());
        Self { tree: Tree::new(root, Tick(0)), now: 0, reads, leaves: 0, waits, ends }
    }

    pub(crate) fn class(&mut self, parent: NodeId, params: Params) -> NodeId {
        self.tree.add_class(parent, params, Tick(self.now))
    }

    /// A leaf that is always backlogged.
    pub(crate) fn leaf(&mut self, parent: NodeId, params: Params) -> NodeId {
        let leaf = self.tree.add_leaf(parent, params, Tick(self.now));
        self.leaves += 1;
        let blocking = match self.reads {
            Reads::Blocking => true,
            Reads::NonBlocking => false,
            Reads::Mixed => self.leaves % 2 == 1,
        };
        if blocking {
            self.tree.enqueue(leaf, 4 * MAX_GRANT, Tick(self.now));
        } else {
            self.tree.enqueue(leaf, MAX_GRANT, Tick(self.now));
            self.wait(leaf);
        }
        leaf
    }

    /// The request of a leaf with non-blocking reads waits from now on.
    fn wait(&mut self, leaf: NodeId) {
        let end = self.now + MAX_WAIT;
        self.waits.insert(leaf, end);
        self.ends.push(Reverse((end, leaf)));
    }

    /// Requests that have waited as long as they do are made again.
    pub(crate) fn ask_again(&mut self) {
        while let Some(&Reverse((end, leaf))) = self.ends.peek().filter(|Reverse((end, _))| *end <= self.now)
        {
            self.ends.pop();
            if self.waits[&leaf] == end {
                let bytes = self.tree.postpone(leaf, u64::MAX, Tick(self.now));
                self.tree.enqueue(leaf, bytes, Tick(self.now));
                self.wait(leaf);
            }
        }
    }

    /// Replaces what was granted.
    pub(crate) fn served(&mut self, leaf: NodeId, bytes: u64) {
        self.tree.enqueue(leaf, bytes, Tick(self.now));
        if self.waits.contains_key(&leaf) {
            self.wait(leaf);
        }
    }

    /// A leaf directly under the root.
    pub(crate) fn top(&mut self, params: Params) -> NodeId {
        self.leaf(self.tree.root(), params)
    }

    /// Serves for `nanoseconds` and replaces what is granted. `seen` receives instant, leaf and bytes.
    pub(crate) fn run(&mut self, nanoseconds: u64, mut seen: impl FnMut(&Tree, u64, NodeId, u64)) {
        let until = self.now + nanoseconds;
        loop {
            self.ask_again();
            let end = self.ends.peek().map_or(u64::MAX, |Reverse((end, _))| *end);
            let next = match self.tree.dequeue(Tick(self.now), u64::MAX) {
                Decision::Grant { leaf, bytes } => {
                    seen(&self.tree, self.now, leaf, bytes);
                    self.served(leaf, bytes);
                    continue;
                }
                Decision::WaitUntil(at) => at.0.min(end),
                Decision::Idle => end,
                Decision::WaitForSupply { .. } => unreachable!("the supply has no end"),
            };
            if next > until {
                break self.now = until;
            }
            self.now = next;
        }
    }

    pub(crate) fn pass(&mut self, nanoseconds: u64) {
        self.run(nanoseconds, |_, _, _, _| ());
    }

    pub(crate) fn bytes(&self, node: NodeId) -> u64 {
        self.tree.stats(node, Tick(self.now)).bytes
    }

    /// What each of the nodes is granted in that time.
    pub(crate) fn gains(&mut self, nodes: &[NodeId], nanoseconds: u64) -> Vec<u64> {
        let before: Vec<_> = nodes.iter().map(|&node| self.bytes(node)).collect();
        self.pass(nanoseconds);
        nodes.iter().zip(before).map(|(&node, before)| self.bytes(node) - before).collect()
    }
}

/// Jain's index of what each got for its weight: 1 is fair.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn jain(gains: &[u64], weights: &[u64]) -> f64 {
    let parts: Vec<_> =
        gains.iter().zip(weights).map(|(&gain, &weight)| gain as f64 / weight as f64).collect();
    let (sum, squares) = (parts.iter().sum::<f64>(), parts.iter().map(|part| part * part).sum::<f64>());
    sum * sum / (squares * parts.len() as f64)
}
