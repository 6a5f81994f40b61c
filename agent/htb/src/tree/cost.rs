//! The cost of a decision, as the number of node accesses.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use super::{Decision, Tree};
use crate::node::Params;
use crate::slab::NodeId;
use crate::units::{Rate, Tick};

const PARAMS: Params = Params {
    rate: Rate::per_second(100),
    ceil: Rate::per_second(1_000_000),
    burst: 1024,
    cburst: 1024,
    prio: 4,
    weight: 100,
};

/// A pool with four levels: classes, namespaces, VMs.
fn tree(classes: usize, members: usize) -> (Tree, Vec<NodeId>) {
    let mut tree = Tree::new(Params { ceil: Rate::per_second(100_000), ..PARAMS }, Tick(0));
    let mut leaves = Vec::new();
    for _ in 0..classes {
        let class = tree.add_class(tree.root(), PARAMS, Tick(0));
        let namespace = tree.add_class(class, PARAMS, Tick(0));
        leaves.extend((0..members).map(|_| tree.add_leaf(namespace, PARAMS, Tick(0))));
    }
    (tree, leaves)
}

/// The number of node accesses for a thousand grants to these leaves, including waits and new requests.
fn cost(tree: &mut Tree, busy: &[NodeId]) -> u64 {
    let (mut now, mut grants) = (Tick(0), 0);
    for &leaf in busy {
        tree.enqueue(leaf, 64, now);
    }
    tree.nodes.visits.set(0);
    while grants < 1000 {
        match tree.dequeue(now, 255) {
            Decision::Grant { leaf, .. } => {
                grants += 1;
                tree.enqueue(leaf, 64, now);
            }
            Decision::WaitUntil(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    tree.nodes.visits.get()
}

#[test]
fn the_cost_of_a_decision_does_not_grow_with_idle_classes() {
    let (mut small, few) = tree(4, 4);
    let (mut large, many) = tree(1000, 20);
    assert_eq!(
        cost(&mut small, &few[..16]),
        cost(&mut large, &[&many[..4], &many[20..24], &many[40..44], &many[60..64]].concat())
    );
}

#[test]
fn the_cost_of_a_decision_hardly_grows_with_busy_leaves() {
    let (mut few, leaves) = tree(4, 1);
    let few = cost(&mut few, &leaves);
    let (mut many, leaves) = tree(4, 200);
    let many = cost(&mut many, &leaves);
    assert!(many < few * 2, "{many} visits with 800 busy leaves, {few} with 4");
}

#[test]
fn a_leaf_that_waits_for_a_ceil_above_costs_nothing_meanwhile() {
    let (mut tree, leaves) = tree(2, 100);
    let throttled = tree.parent(tree.parent(leaves[0]).unwrap()).unwrap();
    tree.set_params(throttled, Params { ceil: Rate(1), ..PARAMS }, Tick(0));
    tree.charge(leaves[0], 1_000_000, Tick(0));
    for &leaf in &leaves[1..100] {
        tree.charge(leaf, 1025, Tick(0));
        tree.enqueue(leaf, 1000, Tick(0)); // its own ceil opens soon, that of its class does not
    }
    let busy = &leaves[100..];
    let with = cost(&mut tree, busy);
    let without = cost(&mut super::cost::tree(2, 100).0, busy);
    assert!(with < without + 5_000, "{with} visits, {without} where none wait");
}
