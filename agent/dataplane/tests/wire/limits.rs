//! Limits on what one VM may do.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use entropool_dataplane::LimitHits;

use crate::clock::Stopwatch;
use crate::rig::{Rig, connect, exchange, silent};

/// Every answer to so many 0x00.
fn levels(socket: &mut UnixStream, count: usize) -> Vec<u32> {
    let answers = exchange(socket, &vec![0; count], 4 * count);
    answers.chunks(4).map(|bits| u32::from_be_bytes(bits.try_into().unwrap())).collect()
}

#[test]
fn a_flood_of_level_requests_is_answered_with_zero_and_in_order() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let asked = Stopwatch::start();
    let answers = levels(&mut socket, 10_000);
    let most = 4_000 + 2_000 * (asked.elapsed().as_millis() + 1) / 1_000;
    let answered = answers.iter().filter(|&&bits| bits > 0).count();
    assert!((4_000..=most).contains(&(answered as u128)), "{answered} of {most}");
    assert!(answers[..4_000].iter().all(|&bits| bits > 0));
    assert_eq!(rig.vm("vm").limit_hits.unanswered, 10_000 - answered as u64);
    // Its blocking reads are still served, and so is its neighbour.
    assert_eq!(exchange(&mut socket, &[2, 64], 64).len(), 64);
    assert!(levels(&mut rig.client("other"), 1)[0] > 0);
    assert_eq!(rig.vm("other").limit_hits, LimitHits::default());
}

#[test]
fn non_blocking_reads_are_limited_as_level_requests_are() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    levels(&mut socket, 8_000);
    // Answers of at most ten milliseconds can have been earned since.
    let mut counts = vec![0; 100];
    socket.write_all(&[1, 1].repeat(100)).unwrap();
    for count in &mut counts {
        *count = exchange(&mut socket, &[], 1)[0];
        exchange(&mut socket, &[], usize::from(*count));
    }
    assert!(counts.contains(&0), "{counts:?}");
}

#[test]
fn connections_beyond_32_at_once_are_accepted_late() {
    let rig = Rig::with_connections(32);
    let path = rig.attach("vm");
    let begun = Stopwatch::start();
    let mut last = connect(&path);
    for _ in 0..34 {
        last = connect(&path);
        exchange(&mut last, &[2, 1], 1);
    }
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let limit_hits = rig.vm("vm").limit_hits;
    assert!((1..=3).contains(&limit_hits.delayed), "{limit_hits:?}");
    exchange(&mut last, &[2, 64], 64);
}

#[test]
fn delayed_connections_do_not_delay_others() {
    let rig = Rig::with_connections(36 - 1);
    let path = rig.attach("vm");
    let sockets: Vec<_> = (0..36).map(|_| connect(&path)).collect();
    let asked = Stopwatch::start();
    exchange(&mut rig.client("other"), &[2, 64], 64);
    assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    rig.until("all of them", |snapshot| snapshot.counters.accepted == 37);
    drop(sockets);
}

#[test]
fn a_partial_command_does_not_wake_the_loop_until_it_is_overdue() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    socket.write_all(&[2]).unwrap();
    rig.until("its byte", |snapshot| snapshot.counters.reads > 0);
    let before = rig.snapshot().counters.wake_ups;
    assert!(silent(&socket, Duration::from_millis(500)));
    // One for this snapshot, and one that the wake for the first may have left.
    assert!(rig.snapshot().counters.wake_ups <= before + 2);
    exchange(&mut socket, &[64], 64);
}
