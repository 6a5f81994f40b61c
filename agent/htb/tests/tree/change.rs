//! What changes of nodes preserve.

use htb::{Decision, Params, ParentError, Rate, RemoveError, Tick, Tree};

use crate::flood::{Flood, PLAIN, SECOND, root};

fn shaped(per_second: u64, burst: u64) -> Params {
    let rate = Rate::per_second(per_second);
    Params { rate, ceil: rate, burst, cburst: burst, ..PLAIN }
}

#[test]
fn tokens_and_debts_survive_new_parameters() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), shaped(1000, 500), Tick(0));
    tree.charge(leaf, 700, Tick(0));
    tree.set_params(leaf, shaped(2000, 500), Tick(SECOND / 10));
    let stats = tree.stats(leaf, Tick(SECOND / 10));
    assert_eq!((stats.tokens, stats.ctokens), (-100, -100), "credit was earned at the old rate");
    let stats = tree.stats(leaf, Tick(SECOND / 5));
    assert_eq!((stats.tokens, stats.ctokens), (100, 100), "and is earned at the new rate now");
}

#[test]
fn a_smaller_burst_caps_the_tokens_and_a_larger_one_adds_none() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), shaped(1000, 500), Tick(0));
    tree.set_params(leaf, shaped(1000, 200), Tick(0));
    tree.set_params(leaf, shaped(1000, 900), Tick(0));
    assert_eq!(tree.stats(leaf, Tick(0)).tokens, 200);
}

#[test]
fn tokens_debts_and_backlogs_move_with_a_node() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let from = tree.add_class(tree.root(), shaped(1000, 500), Tick(0));
    let to = tree.add_class(tree.root(), shaped(5000, 1000), Tick(0));
    let leaf = tree.add_leaf(from, shaped(100, 0), Tick(0));
    tree.enqueue(leaf, 300, Tick(0));
    assert_eq!(tree.dequeue(Tick(0), 255), Decision::Grant { leaf, bytes: 255 });
    tree.set_parent(leaf, to, Tick(0)).unwrap();
    let stats = tree.stats(leaf, Tick(0));
    assert_eq!((stats.tokens, stats.backlog, tree.parent(leaf)), (-255, 45, Some(to)));
    assert_eq!(
        tree.dequeue(Tick(0), 255),
        Decision::WaitUntil(Tick(2_550_000_000)),
        "it cannot flee its debt"
    );
    assert_eq!(tree.dequeue(Tick(2_550_000_000), 255), Decision::Grant { leaf, bytes: 45 });
    assert_eq!(tree.stats(from, Tick(0)).bytes, 255);
    assert_eq!(tree.stats(to, Tick(0)).bytes, 45);
}

#[test]
fn raising_a_ceil_wakes_the_leaves_below_in_time() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let class = tree.add_class(tree.root(), shaped(1, 0), Tick(0));
    let leaf = tree.add_leaf(class, shaped(1000, 0), Tick(0));
    tree.enqueue(leaf, 1000, Tick(0));
    assert_eq!(tree.dequeue(Tick(0), 255), Decision::Grant { leaf, bytes: 255 });
    assert_eq!(tree.dequeue(Tick(0), 255), Decision::WaitUntil(Tick(255 * SECOND)));
    tree.set_params(class, shaped(255_000, 0), Tick(0));
    assert_eq!(
        tree.dequeue(Tick(0), 255),
        Decision::WaitUntil(Tick(SECOND / 1000 * 255)),
        "now its own ceil binds"
    );
}

#[test]
fn a_flood_continues_through_a_change_of_everything() {
    let mut flood = Flood::new(root(10_000));
    let classes = [(); 2].map(|()| flood.class(flood.tree.root(), PLAIN));
    let leaves = [(); 4].map(|()| flood.leaf(classes[0], PLAIN));
    flood.pass(10 * SECOND);
    flood.tree.set_parent(leaves[0], classes[1], Tick(flood.now)).unwrap();
    flood.tree.set_params(classes[1], Params { weight: 300, ..PLAIN }, Tick(flood.now));
    flood.pass(SECOND);
    let gains = flood.gains(&leaves, 120 * SECOND);
    assert!(gains[0].abs_diff(900_000) <= 3 * 255, "{gains:?}");
    assert!(gains[1..].iter().all(|gain| gain.abs_diff(100_000) <= 2 * 255), "{gains:?}");
}

#[test]
fn a_removed_node_is_never_mistaken_for_the_next_in_its_slot() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let gone = tree.add_leaf(tree.root(), PLAIN, Tick(0));
    tree.enqueue(gone, 100, Tick(0));
    tree.remove(gone, Tick(0)).unwrap();
    assert_eq!(tree.dequeue(Tick(0), 255), Decision::Idle);
    let next = tree.add_leaf(tree.root(), PLAIN, Tick(0));
    assert_eq!(next.index(), gone.index());
    assert!(next != gone && tree.contains(next) && !tree.contains(gone));
    assert_eq!(tree.backlog(next), 0);
}

#[test]
fn changes_that_would_break_the_tree_are_refused() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let class = tree.add_class(tree.root(), PLAIN, Tick(0));
    let below = tree.add_class(class, PLAIN, Tick(0));
    let leaf = tree.add_leaf(below, PLAIN, Tick(0));
    assert_eq!(tree.remove(tree.root(), Tick(0)), Err(RemoveError::Root));
    assert_eq!(tree.remove(class, Tick(0)), Err(RemoveError::HasChildren));
    assert_eq!(tree.set_parent(tree.root(), class, Tick(0)), Err(ParentError::Root));
    assert_eq!(tree.set_parent(class, below, Tick(0)), Err(ParentError::Cycle));
    assert_eq!(tree.set_parent(class, class, Tick(0)), Err(ParentError::Cycle));
    assert_eq!(tree.set_parent(class, leaf, Tick(0)), Err(ParentError::Leaf));
}
