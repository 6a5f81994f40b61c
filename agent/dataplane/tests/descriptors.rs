//! A process that runs out of descriptors. Alone in its process, for the same reason.
#![allow(clippy::unwrap_used)]

#[path = "wire/clock.rs"]
mod clock;
#[path = "wire/rig.rs"]
#[allow(dead_code)]
mod rig;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rig::{Rig, connect, exchange, silent};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limit so that so many more can be opened.
fn leave(count: u64) -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    // The lowest number that is free; all below are taken.
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let current = Some(u64::try_from(next).unwrap() + count);
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }).unwrap();
    limit
}

/// A connection that is made and cannot be accepted.
fn starved(rig: &Rig, request: &[u8]) -> (UnixStream, Rlimit) {
    let before = rig.snapshot().counters.accept_starved;
    let path = rig.server.socket_path("vm").unwrap();
    let limit = leave(1);
    let mut socket = connect(&path);
    socket.write_all(request).unwrap();
    rig.until("the want of a descriptor", |snapshot| snapshot.counters.accept_starved > before);
    (socket, limit)
}

/// All of this process's descriptors are at stake in each test here.
static PROCESS: Mutex<()> = Mutex::new(());

#[test]
fn whoever_has_most_connections_makes_room_for_those_that_have_none() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    // 128 are kept for all else, so three VMs fit, or two that have four connections together.
    let all = getrlimit(Resource::Nofile);
    let within = Rlimit { current: Some(134), maximum: Some(134) };
    setrlimit(Resource::Nofile, within).unwrap();
    let rig = Rig::unbound();
    rig.attach("greedy");
    let mut greedy: Vec<_> = (0..4).map(|_| rig.connect("greedy")).collect();
    for socket in &mut greedy {
        exchange(socket, &[2, 1], 1);
    }
    let mut modest = rig.client("modest");
    exchange(&mut modest, &[2, 1], 1);
    assert_eq!((rig.vm("greedy").connections, rig.vm("greedy").limit_hits.replaced), (3, 1));
    let mut third = rig.client("third");
    exchange(&mut third, &[2, 1], 1);
    assert_eq!((rig.vm("greedy").connections, rig.vm("modest").connections), (1, 1));
    assert_eq!(rig.server.attach(rig::vm("fourth")).unwrap_err().reason(), "TooManyVms");
    // Only root can; whoever is not goes on with fewer, which is enough here.
    let _ = setrlimit(Resource::Nofile, all);
}

#[test]
fn a_connection_without_a_descriptor_waits_and_is_neither_lost_nor_spun_upon() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let rig = Rig::unbound();
    let mut other = rig.client("other");
    exchange(&mut other, &[2, 1], 1);
    rig.attach("vm");

    // Served within a second of the limit's end.
    let (mut socket, limit) = starved(&rig, &[2, 64]);
    exchange(&mut other, &[2, 64], 64);
    let before = rig.snapshot().counters;
    assert!(silent(&socket, Duration::from_millis(2500)));
    let after = rig.snapshot().counters;
    assert!(after.wake_ups - before.wake_ups <= 4, "{before:?} {after:?}");
    setrlimit(Resource::Nofile, limit).unwrap();
    exchange(&mut socket, &[], 64);

    // Served at once when another connection ends.
    let (mut socket, limit) = starved(&rig, &[2, 64]);
    drop(other);
    exchange(&mut socket, &[], 64);
    setrlimit(Resource::Nofile, limit).unwrap();
}
