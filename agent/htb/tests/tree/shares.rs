//! How bytes are shared.

use htb::{Decision, NodeId, Params, Rate, Tick, Tree};

use crate::flood::{Flood, PLAIN, Reads, SECOND, jain, root};

fn weighing(weight: u16) -> Params {
    Params { weight, ..PLAIN }
}

fn assured(per_second: u64) -> Params {
    Params { rate: Rate::per_second(per_second), ..PLAIN }
}

#[test]
fn borrowed_bytes_are_shared_by_weight() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(64_000));
        let weights = [1, 2, 4, 8];
        let leaves = weights.map(|weight| flood.top(weighing(weight)));
        let gains = flood.gains(&leaves, 600 * SECOND);
        let index = jain(&gains, &weights.map(u64::from));
        assert!(index >= 0.9999, "{index}: {gains:?}");
    }
}

#[test]
fn a_thousand_equals_get_equal_shares() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(1_000_000));
        let leaves: Vec<_> = (0..1000).map(|_| flood.top(PLAIN)).collect();
        let gains = flood.gains(&leaves, 60 * SECOND);
        let index = jain(&gains, &[1; 1000]);
        assert!(index >= 0.99999, "{index}");
        assert!(
            gains.iter().max().unwrap() - gains.iter().min().unwrap() <= 2 * 255,
            "at most a request each way"
        );
    }
}

#[test]
fn extreme_weights_are_respected_and_starve_no_leaf() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(1_000_000));
        let leaves = [1, 10_000].map(|weight| flood.top(weighing(weight)));
        let gains = flood.gains(&leaves, 2000 * SECOND);
        let index = jain(&gains, &[1, 10_000]);
        assert!(index >= 0.9999, "{index}: {gains:?}");
    }
}

#[test]
fn a_small_weight_with_a_small_rate_still_borrows() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(100_000));
        let light = flood.top(Params { weight: 1, ..assured(1000) });
        let heavy = flood.top(weighing(99));
        let gains = flood.gains(&[light, heavy], 1000 * SECOND);
        let fair = 1_000_000 + 99_000_000 / 100; // its rate, and a hundredth of what is left
        assert!(gains[0].abs_diff(fair) <= 10 * 255, "{gains:?}");
    }
}

#[test]
fn a_lower_prio_borrows_first_and_others_get_the_rest() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(10_000));
        let ceil = Rate::per_second(7_000);
        let first = flood.top(Params { prio: 0, ceil, ..PLAIN });
        let then = flood.top(Params { prio: 1, ..PLAIN });
        flood.pass(60 * SECOND);
        let gains = flood.gains(&[first, then], 100 * SECOND);
        assert!(gains[0].abs_diff(700_000) <= 255, "{gains:?}");
        assert!(gains[1].abs_diff(300_000) <= 2 * 255, "{gains:?}");
    }
}

#[test]
fn assured_bytes_are_kept_under_a_flood_of_borrowers_of_prio_0() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(10_000));
        let class = flood.class(flood.tree.root(), Params { prio: 7, ..assured(4_000) });
        let leaves = [1_000, 3_000].map(|rate| flood.leaf(class, Params { prio: 7, ..assured(rate) }));
        for _ in 0..100 {
            flood.top(Params { prio: 0, weight: 10_000, ..PLAIN });
        }
        flood.pass(10 * SECOND);
        let gains = flood.gains(&leaves, 100 * SECOND);
        assert!(gains[0] + 255 >= 100_000, "{gains:?}");
        assert!(gains[1] + 255 >= 300_000, "{gains:?}");
    }
}

#[test]
fn unused_bytes_of_a_class_go_to_siblings_before_others() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(10_000));
        let class = flood.class(flood.tree.root(), Params { prio: 7, ..assured(4_000) });
        let idle = flood.tree.add_leaf(class, assured(3_000), Tick(0));
        let busy = flood.leaf(class, assured(1_000));
        let other = flood.top(Params { prio: 0, ..PLAIN });
        flood.pass(10 * SECOND);
        let gains = flood.gains(&[idle, busy, other], 100 * SECOND);
        assert_eq!(gains[0], 0);
        assert!(gains[1].abs_diff(400_000) <= 2 * 255, "{gains:?}");
        assert!(gains[2].abs_diff(600_000) <= 2 * 255, "{gains:?}");
        let stats = flood.tree.stats(class, Tick(flood.now));
        assert!(stats.lent > 0 && stats.borrowed == 0, "{stats:?}");
    }
}

#[test]
fn an_overload_shrinks_guarantees_in_proportion() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(5_000));
        let rates = [1_000, 2_000, 4_000, 8_000];
        // Bursts that differ must not distort it.
        let bursts = [100_000, 0, 1_000, 10];
        let leaves: Vec<_> = rates
            .iter()
            .zip(bursts)
            .map(|(&rate, burst)| flood.top(Params { burst, ..assured(rate) }))
            .collect();
        flood.pass(200 * SECOND);
        let gains = flood.gains(&leaves, 1500 * SECOND);
        for (gain, rate) in gains.iter().zip(rates) {
            let fair = rate * 500; // 5,000 of 15,000, for 1,500 s
            assert!(gain.abs_diff(fair) * 200 <= fair, "{gain} is not within 0.5 % of {fair}");
        }
    }
}

#[test]
fn an_overload_in_a_class_does_not_reach_its_neighbours() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(10_000));
        let class =
            flood.class(flood.tree.root(), Params { ceil: Rate::per_second(2_000), ..assured(2_000) });
        let over: Vec<_> = (0..10).map(|_| flood.leaf(class, assured(1_000))).collect();
        let neighbour = flood.top(assured(8_000));
        flood.pass(10 * SECOND);
        let gains = flood.gains(&[class, neighbour], 100 * SECOND);
        assert!(gains[0].abs_diff(200_000) <= 255, "{gains:?}");
        assert!(gains[1].abs_diff(800_000) <= 2 * 255, "{gains:?}");
        let gains = flood.gains(&over, 1000 * SECOND);
        assert!(jain(&gains, &[1; 10]) > 0.9999, "{gains:?}");
    }
}

#[test]
fn namespaces_share_first_and_then_their_members() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(10_000));
        let tenants = [1, 9].map(|members| {
            let tenant = flood.class(flood.tree.root(), PLAIN);
            (0..members).map(|_| flood.leaf(tenant, PLAIN)).collect::<Vec<_>>()
        });
        flood.pass(SECOND);
        let alone = flood.gains(&tenants[0], 180 * SECOND)[0];
        let crowd = flood.gains(&tenants[1], 180 * SECOND);
        assert!(alone.abs_diff(900_000) <= 2 * 255, "{alone}");
        assert!(crowd.iter().all(|gain| gain.abs_diff(100_000) <= 2 * 255), "{crowd:?}");
    }
}

#[test]
fn a_short_supply_is_shared_as_the_tree_says() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(1 << 30));
        let assured = flood.top(Params { ceil: Rate::per_second(3_000), ..assured(3_000) });
        let borrowers = [1, 3].map(|weight| flood.top(weighing(weight)));
        let (mut held, mut got) = (0, [0; 3]);
        for now in (0..100 * SECOND).step_by(10_000_000) {
            held += 70; // 7,000 a second
            flood.now = now;
            flood.ask_again();
            while let Decision::Grant { leaf, bytes } = flood.tree.dequeue(Tick(now), held) {
                held -= bytes;
                got[[assured, borrowers[0], borrowers[1]].iter().position(|&node| node == leaf).unwrap()] +=
                    bytes;
                flood.served(leaf, bytes);
            }
        }
        let fair = [301_024, 99_744, 299_232]; // the rate and its burst; then one and three parts of the rest
        assert!(got.iter().zip(fair).all(|(&got, fair): (&u64, _)| got.abs_diff(fair) <= 3 * 255), "{got:?}");
    }
}

#[test]
fn bytes_are_conserved() {
    for reads in Reads::ALL {
        let mut flood = Flood::of(reads, root(50_000));
        let class = flood.class(flood.tree.root(), assured(10_000));
        let leaves: Vec<NodeId> = (1..8).map(|at| flood.leaf(class, assured(at * 1000))).collect();
        let (mut granted, mut count) = (0, 0);
        flood.run(60 * SECOND, |_, _, _, bytes| (granted, count) = (granted + bytes, count + 1));
        let sum: u64 = leaves.iter().map(|&leaf| flood.bytes(leaf)).sum();
        let top = flood.tree.stats(flood.tree.root(), Tick(flood.now));
        assert_eq!((granted, granted, granted), (sum, flood.bytes(class), top.bytes));
        assert_eq!(top.grants, count);
        let asked = |reads| if reads == Reads::Blocking { 4 * 255 } else { 255 };
        assert!(
            reads == Reads::Mixed || leaves.iter().all(|&leaf| flood.tree.backlog(leaf) == asked(reads)),
            "as much as was asked again"
        );
    }
}

/// Guests as they are: each has one request of 64 bytes, and asks the next a round trip after the last was served.
fn paced(tree: &mut Tree, guests: &[NodeId], round_trip: u64, nanoseconds: u64) -> Vec<u64> {
    let (mut now, mut asks) = (0, guests.iter().map(|&guest| (0, guest)).collect::<Vec<_>>());
    while now < nanoseconds {
        asks.retain(|&(at, guest)| at > now || tree.enqueue(guest, 64, Tick(now)) == 0);
        let next_ask = asks.iter().map(|&(at, _)| at).min().unwrap_or(u64::MAX);
        match tree.dequeue(Tick(now), u64::MAX) {
            Decision::Grant { leaf, .. } => asks.push((now + round_trip, leaf)),
            Decision::WaitUntil(at) => now = at.0.min(next_ask),
            _ => now = next_ask,
        }
    }
    guests.iter().map(|&guest| tree.stats(guest, Tick(now)).bytes).collect()
}

fn two_guests(root: Params, classes: [Params; 2]) -> (Tree, [NodeId; 2]) {
    let mut tree = Tree::new(root, Tick(0));
    let guests = classes.map(|class| {
        let class = tree.add_class(tree.root(), class, Tick(0));
        tree.add_leaf(class, PLAIN, Tick(0))
    });
    (tree, guests)
}

#[test]
fn guests_with_one_request_at_a_time_share_as_floods_do() {
    let gold = Params { weight: 300, ..assured(16_000) };
    let (mut tree, guests) = two_guests(root(32_000), [gold, assured(4000)]);
    for round_trip in [1_000, 200_000, 1_000_000] {
        let before = guests.map(|guest| tree.stats(guest, Tick(0)).bytes);
        let after = paced(&mut tree, &guests, round_trip, 100 * SECOND);
        let gains = [after[0] - before[0], after[1] - before[1]];
        // What is left of 32 after 16 and 4 is shared three to one: 25 and 7.
        assert!(gains[0].abs_diff(2_500_000) <= 25_000, "{round_trip}: {gains:?}");
        assert!(gains[1].abs_diff(700_000) <= 21_000, "{round_trip}: {gains:?}");
        (tree, _) = two_guests(root(32_000), [gold, assured(4000)]);
    }
}

#[test]
fn promises_to_guests_shrink_in_proportion_too() {
    let (mut tree, guests) = two_guests(root(10_000), [assured(16_000), assured(4000)]);
    let gains = paced(&mut tree, &guests, 200_000, 100 * SECOND);
    assert!(gains[0].abs_diff(800_000) <= 8_000, "{gains:?}");
    assert!(gains[1].abs_diff(200_000) <= 4_000, "{gains:?}");
}

/// A VM that is assured 1 KiB/s and reads 64 bytes without blocking, again and again after `pause`, in a class that gives
/// up to `ceil`, beside a flood that is assured 15 KiB/s there: what it gets in that time.
fn modest(ceil: u64, pause: u64, nanoseconds: u64) -> u64 {
    let mut flood = Flood::new(root(1 << 20));
    let params = Params { ceil: Rate::per_second(ceil), ..assured(ceil) };
    let class = flood.class(flood.tree.root(), params);
    let modest = flood.tree.add_leaf(class, assured(1 << 10), Tick(0));
    flood.leaf(class, assured(15 << 10));
    flood.top(PLAIN);
    flood.pass(10 * SECOND);
    let (start, before) = (flood.now, flood.bytes(modest));
    while flood.now < start + nanoseconds {
        flood.tree.enqueue(modest, 64, Tick(flood.now));
        for _ in 0..100 {
            flood.pass(SECOND / 1000);
            if flood.tree.backlog(modest) == 0 {
                break;
            }
        }
        flood.tree.postpone(modest, u64::MAX, Tick(flood.now));
        flood.pass(pause);
    }
    flood.bytes(modest) - before
}

#[test]
fn a_read_that_is_made_again_and_again_gets_what_is_assured() {
    let got = modest(16 << 10, 0, 100 * SECOND);
    assert!(got + 255 >= 100 << 10, "{got}");
    // Where promises cannot be kept, each gets half, and a turn takes longer than a read waits.
    let got = modest(8 << 10, 0, 100 * SECOND);
    assert!(got + 255 >= 50 << 10, "{got}");
    // Whoever asks less often than that is served each time, or the next.
    for ceil in [16 << 10, 8 << 10] {
        let got = modest(ceil, SECOND / 2, 100 * SECOND);
        assert!(got >= 150 * 64, "{ceil}: {got}");
    }
}
