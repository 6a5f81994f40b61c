//! Exact integers, from a byte a day to 10 GB/s.

use htb::{Decision, MAX_OWED, Params, Rate, Tick, Tree, quantum};

use crate::flood::{DAY, Flood, PLAIN};

#[test]
fn a_byte_a_day_is_a_byte_a_day_for_thirty_years() {
    let slow = Params { rate: Rate(1), ceil: Rate(1), burst: 0, cburst: 0, ..PLAIN };
    let mut tree = Tree::new(PLAIN, Tick(0));
    let leaf = tree.add_leaf(tree.root(), slow, Tick(0));
    for day in 0..30 * 365 {
        let now = Tick(day * DAY);
        tree.enqueue(leaf, 1, now);
        assert_eq!(tree.dequeue(now, 255), Decision::Grant { leaf, bytes: 1 });
        tree.enqueue(leaf, 1, now);
        assert_eq!(tree.dequeue(now, 255), Decision::WaitUntil(now.after(DAY)));
        tree.cancel(leaf, 1, now);
    }
}

#[test]
fn a_byte_a_day_in_maximal_requests_is_exact_too() {
    let slow = Params { rate: Rate(1), ceil: Rate(1), burst: 0, cburst: 0, ..PLAIN };
    let mut flood = Flood::new(PLAIN);
    let leaf = flood.top(slow);
    flood.pass(255 * DAY * 40 - 1);
    assert_eq!(flood.bytes(leaf), 255 * 40);
    flood.pass(1);
    assert_eq!(flood.bytes(leaf), 255 * 41);
}

#[test]
fn ten_gigabytes_a_second_are_exact() {
    let ten = Rate::per_second(10_000_000_000);
    let fast = Params { rate: ten, ceil: ten, burst: 10, cburst: 10, ..PLAIN }; // what a nanosecond brings
    let mut flood = Flood::new(fast);
    let leaf = flood.top(fast);
    flood.run(5_000_000, |tree, now, leaf, _| {
        let bytes = tree.stats(leaf, Tick(now)).bytes;
        assert!((now * 10..=now * 10 + 255 + 10).contains(&bytes), "{bytes} at {now}");
    });
    assert!(flood.bytes(leaf) >= 50_000_000);
}

#[test]
fn a_rate_that_divides_nothing_does_not_drift() {
    let rate = Rate(86_400 * 1000 + 1);
    let odd = Params { rate, ceil: rate, burst: 0, cburst: 0, ..PLAIN };
    let mut flood = Flood::new(PLAIN);
    let leaf = flood.top(odd);
    flood.pass(10 * DAY);
    let earned = rate.0 * 10;
    assert_eq!(flood.bytes(leaf), earned / 255 * 255 + 255);
}

#[test]
fn frequent_polling_changes_nothing() {
    let rate = Rate(1_000_003);
    let odd = Params { rate, ceil: rate, burst: 0, cburst: 0, ..PLAIN };
    let served = |step: u64| {
        let mut flood = Flood::new(PLAIN);
        let leaf = flood.top(odd);
        (0..DAY / step).for_each(|_| flood.pass(step));
        flood.bytes(leaf)
    };
    assert_eq!(served(DAY), served(DAY / 86_400));
}

#[test]
fn extremes_do_not_overflow() {
    let most =
        Params { rate: Rate(u64::MAX), ceil: Rate(u64::MAX), burst: u64::MAX, cburst: u64::MAX, ..PLAIN };
    let mut tree = Tree::new(most, Tick(0));
    let leaf = tree.add_leaf(tree.root(), most, Tick(0));
    assert_eq!(tree.enqueue(leaf, u64::MAX, Tick(1)), MAX_OWED);
    assert_eq!(tree.enqueue(leaf, 1, Tick(1)), 0);
    assert_eq!(tree.dequeue(Tick(u64::MAX), 255), Decision::Grant { leaf, bytes: 255 });
    tree.charge(leaf, u64::MAX, Tick(u64::MAX));
    tree.charge(leaf, u64::MAX, Tick(u64::MAX));
    assert_eq!(tree.dequeue(Tick(u64::MAX), 255), Decision::Idle, "its debt outlasts time");
}

#[test]
fn time_that_goes_backwards_earns_nothing() {
    let rate = Rate::per_second(1000);
    let slow = Params { rate, ceil: rate, burst: 0, cburst: 0, ..PLAIN };
    let mut tree = Tree::new(PLAIN, Tick(1 << 40));
    let leaf = tree.add_leaf(tree.root(), slow, Tick(1 << 40));
    tree.enqueue(leaf, 510, Tick(1 << 40));
    assert_eq!(tree.dequeue(Tick(1 << 40), 255), Decision::Grant { leaf, bytes: 255 });
    let due = Tick((1 << 40) + 255_000_000);
    assert_eq!(tree.dequeue(Tick(0), 255), Decision::WaitUntil(due));
    assert_eq!(tree.dequeue(due, 255), Decision::Grant { leaf, bytes: 255 });
}

#[test]
fn a_quantum_is_a_request_for_the_default_weight() {
    assert_eq!([1, 100, 200, 10_000].map(quantum), [2, 255, 510, 25_500]);
}

#[test]
fn a_rate_is_displayed_in_its_shortest_period() {
    let rates =
        [Rate(1), Rate(24), Rate(1440 * 64), Rate::per_second(1000), Rate::per_second(65_536), Rate(0)];
    assert_eq!(rates.map(|rate| rate.to_string()), ["1/d", "1/h", "64/min", "1000/s", "64Ki/s", "0/s"]);
}
