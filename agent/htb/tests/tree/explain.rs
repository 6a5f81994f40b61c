//! Modes, levels, and the limit that makes a leaf wait.

use htb::{Binding, BindingLimit, Decision, Mode, Params, Rate, Tick, Tree};

use crate::flood::{Flood, PLAIN, SECOND, root};

fn limited(per_second: u64) -> Params {
    Params { ceil: Rate::per_second(per_second), ..PLAIN }
}

#[test]
fn the_binding_ceil_is_reported_with_its_start() {
    let mut flood = Flood::new(root(100_000));
    let class = flood.class(flood.tree.root(), limited(3_000));
    let leaves = [(); 3].map(|()| flood.leaf(class, limited(10_000)));
    flood.pass(0);
    let first = flood.tree.binding(leaves[0], Tick(0)).unwrap();
    assert_eq!(first, Binding { limit: BindingLimit::Ceil(class), since: Tick(0) });
    for _ in 0..1000 {
        flood.pass(SECOND / 10);
        for leaf in leaves {
            assert_eq!(flood.tree.binding(leaf, Tick(flood.now)), Some(first), "at {}", flood.now);
        }
    }
}

#[test]
fn a_guest_with_one_request_at_a_time_is_bound_all_the_time() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), Params { cburst: 64, ..limited(640) }, Tick(0));
    let mut now = SECOND;
    for _ in 0..100 {
        tree.enqueue(leaf, 64, Tick(now));
        let binding = match tree.dequeue(Tick(now), 255) {
            Decision::WaitUntil(at) => {
                now = at.0;
                let binding = tree.binding(leaf, Tick(now));
                assert_eq!(tree.dequeue(at, 255), Decision::Grant { leaf, bytes: 64 });
                binding
            }
            _ => None,
        };
        now += 1_000_000;
        let bound = Binding { limit: BindingLimit::Ceil(leaf), since: Tick(SECOND + 1_000_000) };
        assert!(binding.is_none_or(|binding| binding == bound), "{binding:?}");
    }
    assert!(tree.stats(leaf, Tick(now)).overlimits >= 97);
}

#[test]
fn a_bucket_that_was_full_in_between_starts_binding_again() {
    let mut flood = Flood::new(PLAIN);
    let leaf = flood.top(limited(1000));
    flood.pass(SECOND);
    let owed = flood.tree.cancel(leaf, u64::MAX, Tick(flood.now));
    assert_eq!(flood.tree.binding(leaf, Tick(flood.now)), None, "it does not wait");
    flood.pass(100 * SECOND);
    flood.tree.enqueue(leaf, owed, Tick(flood.now));
    flood.pass(SECOND);
    let since = Tick(101 * SECOND + 276_000_000); // after five grants from a full 1Ki
    let binding = flood.tree.binding(leaf, Tick(flood.now)).unwrap();
    assert_eq!(binding.limit, BindingLimit::Ceil(leaf));
    assert!(binding.since >= Tick(101 * SECOND) && binding.since <= since, "{binding:?}");
}

#[test]
fn a_short_supply_binds_until_everything_is_granted() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), PLAIN, Tick(0));
    tree.enqueue(leaf, 600, Tick(5));
    assert_eq!(tree.dequeue(Tick(5), 254), Decision::WaitForSupply { bytes: 255 });
    assert_eq!(tree.dequeue(Tick(9), 255), Decision::Grant { leaf, bytes: 255 });
    assert_eq!(tree.dequeue(Tick(9), 0), Decision::WaitForSupply { bytes: 255 });
    assert_eq!(tree.binding(leaf, Tick(9)), Some(Binding { limit: BindingLimit::Supply, since: Tick(5) }));
    assert_eq!(tree.dequeue(Tick(10), 999), Decision::Grant { leaf, bytes: 255 });
    assert_eq!(tree.dequeue(Tick(10), 999), Decision::Grant { leaf, bytes: 90 });
    assert_eq!(tree.binding(leaf, Tick(10)), None);
    assert_eq!(tree.dequeue(Tick(10), 999), Decision::Idle);
    tree.enqueue(leaf, 600, Tick(11));
    assert_eq!(tree.binding(leaf, Tick(11)), Some(Binding { limit: BindingLimit::Rate, since: Tick(11) }));
}

#[test]
fn modes_are_those_of_tc() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let rate = Rate::per_second(100);
    let params = Params { rate, ceil: Rate::per_second(200), burst: 0, cburst: 300, ..PLAIN };
    let leaf = tree.add_leaf(tree.root(), params, Tick(0));
    let mode = |tree: &Tree| tree.stats(leaf, Tick(0)).mode;
    assert_eq!(mode(&tree), Mode::CanSend);
    tree.charge(leaf, 200, Tick(0));
    assert_eq!(mode(&tree), Mode::MayBorrow);
    tree.charge(leaf, 200, Tick(0));
    assert_eq!(mode(&tree), Mode::CantSend);
    let stats = tree.stats(leaf, Tick(0));
    assert_eq!((stats.bytes, stats.borrowed, stats.tokens, stats.ctokens), (400, 200, -200, -100));
}

#[test]
fn available_bytes_reveal_nothing_about_others() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let class = tree.add_class(tree.root(), Params { cburst: 500, ..limited(100) }, Tick(0));
    let leaf = tree.add_leaf(class, Params { cburst: 400, ..limited(100) }, Tick(0));
    let other = tree.add_leaf(class, PLAIN, Tick(0));
    assert_eq!(tree.available(leaf, Tick(0)), 400);
    tree.charge(other, 10_000, Tick(0));
    assert_eq!(tree.available(leaf, Tick(0)), 400);
    tree.charge(leaf, 300, Tick(0));
    assert_eq!(tree.available(leaf, Tick(0)), 100);
    tree.charge(leaf, 101, Tick(0));
    assert_eq!(tree.available(leaf, Tick(0)), 0);
    assert_eq!(tree.available(leaf, Tick(SECOND)), 99);
}

#[test]
fn cancelled_bytes_are_not_granted() {
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), PLAIN, Tick(0));
    assert_eq!(tree.enqueue(leaf, 100, Tick(0)), 100);
    assert_eq!(tree.cancel(leaf, 30, Tick(0)), 30);
    assert_eq!(tree.stats(leaf, Tick(0)).waiting_since, Some(Tick(0)));
    assert_eq!(tree.cancel(leaf, 100, Tick(0)), 70);
    assert_eq!((tree.dequeue(Tick(0), 255), tree.stats(leaf, Tick(0)).waiting_since), (Decision::Idle, None));
}
