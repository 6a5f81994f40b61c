//! Counters outlive the VMs that they count.

use std::io::Write;

use entropool_dataplane::{PoolSnapshot, WaitHistogram};
use htb::Rate;

use crate::rig::{Rig, UNBOUND, class, exchange, pool};

/// A pool of two classes; in the first a VM gets a kilobyte a second.
fn rig() -> Rig {
    Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(1024)), class("fast", UNBOUND)]))
}

fn pool_snapshot(rig: &Rig) -> PoolSnapshot {
    rig.snapshot().pools.remove(0)
}

fn waits(pool: &PoolSnapshot, name: &str) -> WaitHistogram {
    pool.classes.iter().find(|class| class.name == name).unwrap().waits
}

#[test]
fn waits_are_counted_in_the_class_in_which_they_ended() {
    let rig = rig();
    let mut client = rig.client("a");
    exchange(&mut client, &[2, 255].repeat(6), 6 * 255);
    let slow = waits(&pool_snapshot(&rig), "slow");
    assert_eq!(slow.count(), 6);
    assert!(slow.counts[0] >= 1, "the burst came at once: {slow:?}");
    assert!(slow.count() - slow.counts[0] >= 1 && slow.sum > 1_000_000, "the rest had to wait: {slow:?}");
    rig.data_plane.move_vm("a", "fast").unwrap();
    exchange(&mut client, &[2, 255], 255);
    assert_eq!((waits(&pool_snapshot(&rig), "slow"), waits(&pool_snapshot(&rig), "fast").count()), (slow, 1));
}

#[test]
fn overlimits_are_still_counted_after_a_move_or_a_detach() {
    let rig = rig();
    let mut client = rig.client("a");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    let overlimits = |pool: &PoolSnapshot| pool.overlimits.vm;
    rig.until("an overlimit", |snapshot| overlimits(&snapshot.pools[0]) > 0);
    let before = overlimits(&pool_snapshot(&rig));
    rig.data_plane.move_vm("a", "fast").unwrap();
    assert!(overlimits(&pool_snapshot(&rig)) >= before);
    rig.data_plane.detach("a").unwrap();
    assert!(overlimits(&pool_snapshot(&rig)) >= before);
}
