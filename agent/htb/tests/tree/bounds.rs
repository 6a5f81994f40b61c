//! The two laws, in every window of random trees with constant backlogs.

use std::collections::{BTreeMap, BTreeSet};

use htb::{MAX_GRANT, NodeId, Params, Rate, Tick, Tree};
use proptest::prelude::*;
use proptest::sample::select;

use crate::flood::{Flood, PLAIN, Reads, SECOND};

const UNITS: i128 = 86_400_000_000_000;

fn units(bytes: u64) -> i128 {
    i128::from(bytes) * UNITS
}

fn line(rate: Rate, at: u64) -> i128 {
    i128::from(rate.0) * i128::from(at)
}

fn path(tree: &Tree, leaf: NodeId) -> impl Iterator<Item = NodeId> {
    std::iter::successors(Some(leaf), |&node| tree.parent(node))
}

/// For each node, the least that bytes − ceil·t has been: no later value may lie above by more than allowed.
#[derive(Default)]
struct Envelope(BTreeMap<NodeId, i128>);

impl Envelope {
    fn grant(&mut self, tree: &Tree, now: u64, leaf: NodeId, bytes: u64) {
        for node in path(tree, leaf) {
            let (Params { ceil, cburst, .. }, after) = (tree.params(node), tree.stats(node, Tick(now)).bytes);
            let before = units(after - bytes) - line(ceil, now);
            let least = *self.0.entry(node).and_modify(|least| *least = before.min(*least)).or_insert(before);
            let passed = units(after) - line(ceil, now) - least;
            assert!(
                passed <= units(cburst + MAX_GRANT),
                "{node:?} passes its ceil by {} bytes",
                passed / UNITS
            );
        }
    }
}

/// For a backlogged leaf, the least that rate·t − bytes has been: it may not fall behind that by more than allowed.
#[derive(Default)]
struct Behind {
    least: i128,
    most: i128,
}

impl Behind {
    /// A leaf was granted `after` bytes in total, the last `bytes` of them at `now`. The instant before counts.
    fn observe(&mut self, rate: Rate, now: u64, after: u64, bytes: u64) {
        let before = line(rate, now.saturating_sub(1)) - units(after - bytes);
        self.most = self.most.max(before - self.least);
        self.least = self.least.min(line(rate, now) - units(after));
    }
}

fn a_rate() -> impl Strategy<Value = u64> {
    prop_oneof![0..50_u64, 50..2_000_u64, 2_000..50_000_u64]
}

fn a_burst() -> impl Strategy<Value = u64> {
    select(vec![0, 1, 100, 255, 256, 1024, 5000])
}

#[derive(Clone, Debug)]
struct NodeSpec {
    parent: prop::sample::Index,
    leaf: bool,
    params: Params,
}

fn node_spec() -> impl Strategy<Value = NodeSpec> {
    let standing = (0..8_u8, select(vec![1, 50, 100, 1000, 10_000]));
    let numbers = (a_rate(), a_rate(), a_burst(), a_burst(), standing);
    (any::<prop::sample::Index>(), prop::bool::weighted(0.6), numbers).prop_map(
        |(parent, leaf, (rate, ceil, burst, cburst, (prio, weight)))| {
            let (rate, ceil) = (Rate::per_second(rate), Rate::per_second(ceil));
            NodeSpec { parent, leaf, params: Params { rate, ceil, burst, cburst, prio, weight } }
        },
    )
}

/// Builds what was wished for, and gives back the leaves.
fn build(flood: &mut Flood, specs: &[NodeSpec], fit: impl Fn(bool, Params) -> Params) -> Vec<NodeId> {
    let (mut classes, mut leaves) = (vec![flood.tree.root()], Vec::new());
    for &NodeSpec { parent, leaf, params } in specs {
        let (parent, params) = (*parent.get(&classes), fit(leaf, params));
        if leaf {
            leaves.push(flood.leaf(parent, params));
        } else {
            classes.push(flood.class(parent, params));
        }
    }
    leaves
}

/// Makes every promise one that can be kept, from the leaves up, and just so: what is assured below a node is
/// its rate; its ceil, the root's too, is hardly more. Bursts are large, so that no credit is lost.
fn make_feasible(flood: &mut Flood, leaves: &[NodeId], spare: u64) {
    let mut rates = BTreeMap::<NodeId, u64>::new();
    for &leaf in leaves {
        let rate = flood.tree.params(leaf).rate.0;
        path(&flood.tree, leaf).for_each(|node| *rates.entry(node).or_default() += rate);
    }
    for (&node, &rate) in &rates {
        let params = flood.tree.params(node);
        let ceil = Rate(rate + rate / 100 * spare).max(Rate(1));
        let ceil = if leaves.contains(&node) { PLAIN.ceil } else { ceil };
        let params = Params { rate: Rate(rate), ceil, burst: 1 << 24, cburst: 1 << 24, ..params };
        flood.tree.set_params(node, params, Tick(flood.now));
    }
}

/// How far a node may lag behind its rate while it is assured, in bytes, if all promises can be kept and all
/// ceils bind: docs/adr/0002.
fn lag(tree: &Tree, node: NodeId, siblings: &BTreeMap<NodeId, u64>) -> u64 {
    let Some(above) = tree.parent(node) else { return MAX_GRANT };
    let (own, whole) = (u128::from(tree.params(node).rate.0), u128::from(tree.params(above).rate.0.max(1)));
    let shared = u128::from(lag(tree, above, siblings) + 2 * MAX_GRANT * (siblings[&above] - 1));
    3 * MAX_GRANT + u64::try_from((shared * own).div_ceil(whole)).unwrap() + 1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_node_exceeds_its_ceil_by_more_than_cburst_and_a_request(
        ceil in 1_000..100_000_u64,
        specs in prop::collection::vec(node_spec(), 1..25),
        pauses in prop::collection::vec((any::<prop::sample::Index>(), 0..5_000_000_000_u64), 0..10),
    ) {
        let mut flood = Flood::new(Params { ceil: Rate::per_second(ceil), ..PLAIN });
        let leaves = build(&mut flood, &specs, |_, params| params);
        let mut envelope = Envelope::default();
        for (leaf, pause) in pauses {
            flood.run(2 * SECOND, |tree, now, leaf, bytes| envelope.grant(tree, now, leaf, bytes));
            if !leaves.is_empty() {
                let leaf = *leaf.get(&leaves);
                let owed = flood.tree.cancel(leaf, u64::MAX, Tick(flood.now));
                flood.run(pause, |tree, now, leaf, bytes| envelope.grant(tree, now, leaf, bytes));
                flood.tree.enqueue(leaf, owed, Tick(flood.now));
            }
        }
        flood.run(2 * SECOND, |tree, now, leaf, bytes| envelope.grant(tree, now, leaf, bytes));
    }

    #[test]
    fn a_backlogged_leaf_gets_its_rate_less_a_request_where_no_ceil_above_binds(
        reads in select(&Reads::ALL[..]),
        specs in prop::collection::vec(node_spec(), 1..25),
    ) {
        let mut flood = Flood::of(reads, PLAIN);
        let leaves = build(&mut flood, &specs, |leaf, params| {
            let burst = params.burst.max(1); // the rest of a nanosecond has to have room
            let cburst = params.cburst.max(burst);
            let ceil = if leaf { params.ceil.max(params.rate) } else { PLAIN.ceil };
            Params { ceil, burst, cburst, ..params }
        });
        check_rates(&mut flood, &leaves, |_, _| MAX_GRANT);
    }

    #[test]
    fn a_backlogged_leaf_lags_little_where_all_ceils_bind(
        reads in select(&Reads::ALL[..]),
        specs in prop::collection::vec(node_spec(), 1..25),
        spare in 0..20_u64,
    ) {
        let mut flood = Flood::of(reads, PLAIN);
        let leaves = build(&mut flood, &specs, |_, params| params);
        make_feasible(&mut flood, &leaves, spare);
        let mut siblings = BTreeMap::new();
        for node in leaves.iter().flat_map(|&leaf| path(&flood.tree, leaf)).collect::<BTreeSet<_>>() {
            *siblings.entry(flood.tree.parent(node).unwrap_or(node)).or_insert(0) += 1;
        }
        check_rates(&mut flood, &leaves, |tree, leaf| MAX_GRANT + lag(tree, leaf, &siblings));
    }
}

/// Runs the flood, and holds each leaf to its rate less so many bytes.
fn check_rates(flood: &mut Flood, leaves: &[NodeId], allowed: impl Fn(&Tree, NodeId) -> u64) {
    let mut behind: BTreeMap<_, Behind> = leaves.iter().map(|&leaf| (leaf, Behind::default())).collect();
    flood.run(20 * SECOND, |tree, now, leaf, bytes| {
        let after = tree.stats(leaf, Tick(now)).bytes;
        behind.get_mut(&leaf).unwrap().observe(tree.params(leaf).rate, now, after, bytes);
    });
    for (leaf, mut behind) in behind {
        behind.observe(flood.tree.params(leaf).rate, flood.now, flood.bytes(leaf), 0);
        let allowed = allowed(&flood.tree, leaf);
        assert!(behind.most <= units(allowed), "{} behind, {allowed} allowed", behind.most / UNITS);
    }
}
