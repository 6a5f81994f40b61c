//! A process that runs out of descriptors. Alone in its process, for the same reason.
#![allow(clippy::unwrap_used)]

#[path = "wire/clock.rs"]
mod clock;
#[path = "wire/rig.rs"]
#[allow(dead_code)]
mod rig;

use std::io::Write;
use std::os::unix::net::UnixStream;
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

#[test]
fn a_connection_without_a_descriptor_waits_and_is_neither_lost_nor_spun_upon() {
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
