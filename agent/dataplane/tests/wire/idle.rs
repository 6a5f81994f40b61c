//! Nothing wakes when nothing is asked.

use std::io::{Read, Write};
use std::time::Duration;

use entropool_dataplane::{ASLEEP, HandoverOutcome};
use htb::Rate;

use crate::rig::{Rig, UNBOUND, class, exchange, pool, silent};

#[test]
fn nothing_wakes_in_ten_seconds_in_which_nothing_is_asked() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(8000))]));
    let mut sockets: Vec<_> = (0..10).map(|number| rig.client(&format!("vm-{number}"))).collect();
    for socket in &mut sockets {
        // Beyond the burst, so that the timer has been in use.
        exchange(socket, &[2, 255].repeat(6), 6 * 255);
    }
    let before = rig.snapshot().counters.wake_ups;
    assert!(silent(&sockets[0], Duration::from_secs(10)));
    // The one that takes the snapshot.
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1);
}

#[test]
fn a_wait_costs_one_wake_up_and_none_once_it_is_over_or_given_up() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(2550))]));
    let mut socket = rig.client("vm");
    exchange(&mut socket, &[2, 255].repeat(5), 5 * 255);
    let before = rig.snapshot().counters;
    exchange(&mut socket, &[2, 255], 255);
    let after = rig.snapshot().counters;
    // The request, the instant, the snapshot.
    assert!(after.wake_ups - before.wake_ups <= 3, "{} wake-ups", after.wake_ups - before.wake_ups);
    socket.write_all(&[2, 255]).unwrap();
    drop(socket);
    rig.until("its end", |snapshot| snapshot.counters.closed.ended == 1);
    let mut other = rig.client("other");
    other.write_all(&[1, 0]).unwrap();
    other.read_exact(&mut [0; 1]).unwrap();
    let before = rig.snapshot().counters.wake_ups;
    assert!(silent(&other, Duration::from_millis(500)));
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1);
}

#[test]
fn whoever_looks_sees_whether_the_loop_sleeps_and_does_not_wake_it() {
    let rig = Rig::unbound();
    let seen = rig.server.heartbeat().unwrap().try_clone_to_owned().unwrap();
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
    assert_eq!(rig.snapshot().counters.wake_ups - before, 1, "that of the snapshot");
    let (tell, told) = std::sync::mpsc::channel();
    rig.server
        .hand_over(move |_| {
            tell.send(sleeps()).unwrap();
            HandoverOutcome::Resumed
        })
        .unwrap();
    assert!(!told.recv().unwrap(), "it is in the middle of something");
}
