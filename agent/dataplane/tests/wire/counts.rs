//! What is counted outlives those of whom it is counted.

use std::io::Write;

use entropool_dataplane::{PoolSnapshot, WaitHistogram};
use htb::Rate;

use crate::rig::{Rig, UNBOUND, class, exchange, pool};

/// A pool of two classes; in the first a VM gets a kilobyte a second.
fn rig() -> Rig {
    Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(1024)), class("fast", UNBOUND)]))
}

fn look(rig: &Rig) -> PoolSnapshot {
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
    let slow = waits(&look(&rig), "slow");
    assert_eq!(slow.count(), 6);
    assert!(slow.counts[0] >= 1, "the burst was there: {slow:?}");
    assert!(slow.count() - slow.counts[0] >= 1 && slow.sum > 1_000_000, "the rest was not: {slow:?}");
    rig.server.move_vm("a", "fast").unwrap();
    exchange(&mut client, &[2, 255], 255);
    assert_eq!((waits(&look(&rig), "slow"), waits(&look(&rig), "fast").count()), (slow, 1));
}

#[test]
fn what_held_a_vm_back_is_still_counted_when_it_has_moved_or_gone() {
    let rig = rig();
    let mut client = rig.client("a");
    client.write_all(&[2, 255].repeat(100)).unwrap();
    let held = |pool: &PoolSnapshot| pool.overlimits.vm;
    rig.until("its ceil holds it back", |snapshot| held(&snapshot.pools[0]) > 0);
    let before = held(&look(&rig));
    rig.server.move_vm("a", "fast").unwrap();
    assert!(held(&look(&rig)) >= before);
    rig.server.detach("a").unwrap();
    assert!(held(&look(&rig)) >= before);
}
