//! Leaves with a constant backlog, and time that passes as the tree demands.

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

/// A tree under flood.
pub(crate) struct Flood {
    pub(crate) tree: Tree,
    pub(crate) now: u64,
}

impl Flood {
    pub(crate) fn new(root: Params) -> Self {
        Self { tree: Tree::new(root, Tick(0)), now: 0 }
    }

    pub(crate) fn class(&mut self, parent: NodeId, params: Params) -> NodeId {
        self.tree.add_class(parent, params, Tick(self.now))
    }

    /// A leaf that is always backlogged.
    pub(crate) fn leaf(&mut self, parent: NodeId, params: Params) -> NodeId {
        let leaf = self.tree.add_leaf(parent, params, Tick(self.now));
        self.tree.enqueue(leaf, 4 * MAX_GRANT, Tick(self.now));
        leaf
    }

    /// A leaf directly under the root.
    pub(crate) fn top(&mut self, params: Params) -> NodeId {
        self.leaf(self.tree.root(), params)
    }

    /// Serves for `nanoseconds` and replaces what is granted. `seen` receives instant, leaf and bytes.
    pub(crate) fn run(&mut self, nanoseconds: u64, mut seen: impl FnMut(&Tree, u64, NodeId, u64)) {
        let until = self.now + nanoseconds;
        loop {
            match self.tree.dequeue(Tick(self.now), u64::MAX) {
                Decision::Grant { leaf, bytes } => {
                    seen(&self.tree, self.now, leaf, bytes);
                    self.tree.enqueue(leaf, bytes, Tick(self.now));
                }
                Decision::WaitUntil(at) if at.0 <= until => self.now = at.0,
                Decision::WaitUntil(_) | Decision::Idle => break self.now = until,
                Decision::WaitForSupply { .. } => unreachable!("the supply has no end"),
            }
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
