//! The tree agrees with the model on random trees and schedules.

use htb::{Decision, NodeId, Params, Rate, Tick, Tree};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::Model;

#[derive(Clone, Debug)]
enum Step {
    AddClass(Index, Params),
    AddLeaf(Index, Params),
    Remove(Index),
    SetParams(Index, Params),
    SetParent(Index, Index),
    Enqueue(Index, u64),
    Cancel(Index, u64),
    Charge(Index, u64),
    /// Time passes, or goes backwards.
    Pass(i64),
    /// So many decisions at the same instant.
    Serve(u8, u64),
    /// So many decisions, with time passing as they demand.
    ServeInTime(u8, u64),
}

fn rate() -> impl Strategy<Value = Rate> {
    let day = 86_400;
    prop_oneof![
        1 => select(vec![0, 1, 24, 1440, 864_000_000_000_000]),
        4 => select(vec![10, 64, 100, 1000, 1000, 8000, 8000, 16_000, 64_000]).prop_map(move |rate| rate * day),
        1 => 1..1_000_000_000_u64,
    ]
    .prop_map(Rate)
}

fn burst() -> impl Strategy<Value = u64> {
    prop_oneof![select(vec![0, 1, 64, 254, 255, 256, 1024, 1024, 4096]), 0..3000_u64]
}

fn params() -> impl Strategy<Value = Params> {
    let standing = (select(vec![4, 4, 4, 0, 1, 7]), select(vec![100, 100, 1, 200, 10_000]));
    (rate(), rate(), burst(), burst(), standing).prop_map(|(rate, ceil, burst, cburst, (prio, weight))| {
        Params { rate, ceil, burst, cburst, prio, weight }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let bytes = || prop_oneof![Just(64_u64), Just(255), 1..2000_u64, Just(1 << 31)];
    let supply = || prop_oneof![3 => Just(u64::MAX), 1 => 0..400_u64];
    let time =
        prop_oneof![0..2_000_000_i64, 0..3_000_000_000_i64, 0..100_000_000_000_000_i64, -1_000_000..0_i64];
    prop_oneof![
        2 => (index(), params()).prop_map(|(at, params)| Step::AddClass(at, params)),
        4 => (index(), params()).prop_map(|(at, params)| Step::AddLeaf(at, params)),
        1 => index().prop_map(Step::Remove),
        2 => (index(), params()).prop_map(|(at, params)| Step::SetParams(at, params)),
        2 => (index(), index()).prop_map(|(at, to)| Step::SetParent(at, to)),
        12 => (index(), bytes()).prop_map(|(at, bytes)| Step::Enqueue(at, bytes)),
        1 => (index(), bytes()).prop_map(|(at, bytes)| Step::Cancel(at, bytes)),
        1 => index().prop_map(|at| Step::Cancel(at, u64::MAX)),
        1 => (index(), 0..600_u64).prop_map(|(at, bytes)| Step::Charge(at, bytes)),
        2 => time.prop_map(Step::Pass),
        4 => (0..40_u8, supply()).prop_map(|(count, supply)| Step::Serve(count, supply)),
        6 => (0..80_u8, supply()).prop_map(|(count, supply)| Step::ServeInTime(count, supply)),
    ]
}

/// The tree and its model, and the nodes that are in both.
struct Both {
    tree: Tree,
    model: Model,
    classes: Vec<NodeId>,
    leaves: Vec<NodeId>,
    now: u64,
}

impl Both {
    fn new(root: Params) -> Self {
        let tree = Tree::new(root, Tick(0));
        let (model, classes) = (Model::new(tree.root(), root), vec![tree.root()]);
        Self { tree, model, classes, leaves: Vec::new(), now: 0 }
    }

    fn class(&self, at: Index) -> NodeId {
        *at.get(&self.classes)
    }

    fn leaf(&self, at: Index) -> Option<NodeId> {
        (!self.leaves.is_empty()).then(|| *at.get(&self.leaves))
    }

    fn any(&self, at: Index) -> NodeId {
        let at = at.index(self.classes.len() + self.leaves.len());
        *self.classes.iter().chain(&self.leaves).nth(at).unwrap()
    }

    fn step(&mut self, step: &Step) {
        let now = Tick(self.now);
        match *step {
            Step::AddClass(at, params) => {
                let parent = self.class(at);
                let id = self.tree.add_class(parent, params, now);
                self.model.add(id, Some(parent), params, false, now);
                self.classes.push(id);
            }
            Step::AddLeaf(at, params) => {
                let parent = self.class(at);
                let id = self.tree.add_leaf(parent, params, now);
                self.model.add(id, Some(parent), params, true, now);
                self.leaves.push(id);
            }
            Step::Remove(at) => self.remove(self.any(at)),
            Step::SetParams(at, params) => {
                let id = self.any(at);
                self.tree.set_params(id, params, now);
                self.model.set_params(id, params, now);
            }
            Step::SetParent(at, to) => {
                let (id, to) = (self.any(at), self.class(to));
                self.model.pass(now);
                if self.tree.set_parent(id, to, now).is_ok() {
                    self.model.set_parent(id, to, now);
                }
            }
            Step::Pass(time) => self.now = self.now.saturating_add_signed(time),
            Step::Serve(count, supply) => (0..count).for_each(|_| _ = self.decide(supply)),
            Step::ServeInTime(count, supply) => (0..count).for_each(|_| self.decide_in_time(supply)),
            Step::Enqueue(at, _) | Step::Cancel(at, _) | Step::Charge(at, _) => {
                if let Some(leaf) = self.leaf(at) {
                    self.step_leaf(step, leaf);
                }
            }
        }
    }

    fn step_leaf(&mut self, step: &Step, leaf: NodeId) {
        let (tree, model, now) = (&mut self.tree, &mut self.model, Tick(self.now));
        match *step {
            Step::Enqueue(_, bytes) => {
                assert_eq!(tree.enqueue(leaf, bytes, now), model.enqueue(leaf, bytes, now));
            }
            Step::Cancel(_, bytes) => {
                assert_eq!(tree.cancel(leaf, bytes, now), model.cancel(leaf, bytes, now));
            }
            Step::Charge(_, bytes) => {
                tree.charge(leaf, bytes, now);
                model.charge(leaf, bytes, now);
            }
            _ => unreachable!("not about a leaf"),
        }
    }

    fn remove(&mut self, id: NodeId) {
        self.model.pass(Tick(self.now));
        if self.tree.remove(id, Tick(self.now)).is_ok() {
            self.model.remove(id, Tick(self.now));
            self.classes.retain(|&class| class != id);
            self.leaves.retain(|&leaf| leaf != id);
        }
    }

    fn decide(&mut self, supply: u64) -> Decision {
        let decision = self.tree.dequeue(Tick(self.now), supply);
        assert_eq!(decision, self.model.dequeue(Tick(self.now), supply), "at {}", self.now);
        decision
    }

    /// A wait ends exactly when announced: nothing can be granted an instant earlier, and something can then.
    fn decide_in_time(&mut self, supply: u64) {
        if let Decision::WaitUntil(at) = self.decide(supply) {
            assert!(at.0 > self.now);
            if at.0 - self.now > 1 {
                self.now = at.0 - 1;
                assert_eq!(self.decide(supply), Decision::WaitUntil(at));
            }
            self.now = at.0;
            let then = self.decide(supply);
            assert!(matches!(then, Decision::Grant { .. } | Decision::WaitForSupply { .. }), "{then:?}");
        }
    }

    fn compare(&mut self) {
        let now = Tick(self.now);
        for &id in self.classes.iter().chain(&self.leaves) {
            let stats = self.tree.stats(id, now);
            let (tokens, ctokens, backlog) = self.model.state(id);
            assert_eq!((stats.tokens, stats.ctokens, stats.backlog), (tokens, ctokens, backlog));
        }
        for &leaf in &self.leaves {
            assert_eq!(self.tree.available(leaf, now), self.model.available(leaf));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_decides_as_the_model_does(root in params(), steps in prop::collection::vec(step(), 1..120)) {
        let mut both = Both::new(root);
        for step in steps {
            both.step(&step);
        }
        both.decide(u64::MAX);
        both.compare();
    }
}
