//! The loop does not wake while nothing is requested.

use std::io::{Read, Write};
use std::time::Duration;

use entropool_dataplane::{ASLEEP, HandoverOutcome};
use htb::Rate;

use crate::rig::{Rig, UNBOUND, class, exchange, pool, silent};

#[test]
fn the_loop_does_not_wake_in_ten_seconds_without_a_request() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(8000))]));
    let mut sockets: Vec<_> = (0..10).map(|number| rig.client(&format!("vm-{number}"))).collect();
    for socket in &mut sockets {
        // Beyond the burst, so that the timer has been in use.
        exchange(socket, &[2, 255].repeat(6), 6 * 255);
    }
    let before = rig.snapshot().counters.wake_ups;
    assert!(silent(&sockets[0], Duration::from_secs(10)));
    // One for the snapshot.
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1);
}

#[test]
fn a_wait_costs_one_wake_up_and_none_once_it_is_over_or_abandoned() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(2550))]));
    let mut socket = rig.client("vm");
    exchange(&mut socket, &[2, 255].repeat(5), 5 * 255);
    let before = rig.snapshot().counters;
    exchange(&mut socket, &[2, 255], 255);
    let after = rig.snapshot().counters;
    // The request, the timer, the snapshot.
    assert!(after.wake_ups - before.wake_ups <= 3, "{} wake-ups", after.wake_ups - before.wake_ups);
    socket.write_all(&[2, 255]).unwrap();
    drop(socket);
    rig.until("its close", |snapshot| snapshot.counters.closed.ended == 1);
    let mut other = rig.client("other");
    other.write_all(&[1, 0]).unwrap();
    other.read_exact(&mut [0; 1]).unwrap();
    let before = rig.snapshot().counters.wake_ups;
    assert!(silent(&other, Duration::from_millis(500)));
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1);
}

#[test]
fn the_heartbeat_shows_whether_the_loop_sleeps_without_waking_it() {
    let rig = Rig::unbound();
    let seen = rig.data_plane.heartbeat().unwrap().try_clone_to_owned().unwrap();
    let sleeps = move || {
        let mut byte = [0];
        rustix::io::pread(&seen, &mut byte, 0).unwrap();
        byte == [ASLEEP]
    };
    let mut socket = rig.client("vm");
    exchange(&mut socket, &[2, 255], 255);
    let before = rig.snapshot().counters.wake_ups;
    assert!((0..2_000).any(|_| silent(&socket, Duration::from_millis(1)) && sleeps()), "it never sleeps");
    assert!((0..100).all(|_| sleeps()));
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1, "one for the snapshot");
    let (sender, asleep) = std::sync::mpsc::channel();
    rig.data_plane
        .hand_over(move |_| {
            sender.send(sleeps()).unwrap();
            HandoverOutcome::Resumed
        })
        .unwrap();
    assert!(!asleep.recv().unwrap(), "it executes a command");
}
