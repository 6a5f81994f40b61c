//! Running out of descriptors. Alone in its process, whose limit it changes.
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

/// Sets the limit so that this many more can be opened.
fn limit_descriptors_to(count: u64) -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    // The lowest number that is free; all below are taken.
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let current = Some(u64::try_from(next).unwrap() + count);
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }).unwrap();
    limit
}

/// A connection that cannot be accepted.
fn starved(rig: &Rig, request: &[u8]) -> (UnixStream, Rlimit) {
    let before = rig.snapshot().counters.accept_starved;
    let path = rig.data_plane.socket_path("vm").unwrap();
    let limit = limit_descriptors_to(1);
    let mut socket = connect(&path);
    socket.write_all(request).unwrap();
    rig.until("the lack of a descriptor", |snapshot| snapshot.counters.accept_starved > before);
    (socket, limit)
}

/// Each test changes the limit of the process.
static PROCESS: Mutex<()> = Mutex::new(());

#[test]
fn the_vm_with_most_connections_loses_one_to_a_vm_without() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    // 128 are kept for everything else, so three VMs fit, or two with four connections together.
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
    assert_eq!(rig.data_plane.attach(rig::vm("fourth")).unwrap_err().reason(), "TooManyVms");
    // Fails unless run as root; the lower limit suffices for the other test.
    let _ = setrlimit(Resource::Nofile, all);
}

#[test]
fn a_connection_without_a_descriptor_waits_and_is_accepted_later_without_busy_polling() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let rig = Rig::unbound();
    let mut other = rig.client("other");
    exchange(&mut other, &[2, 1], 1);
    rig.attach("vm");

    // Served within a second after the limit is raised.
    let (mut socket, limit) = starved(&rig, &[2, 64]);
    exchange(&mut other, &[2, 64], 64);
    let before = rig.snapshot().counters;
    assert!(silent(&socket, Duration::from_millis(2500)));
    let after = rig.snapshot().counters;
    assert!(after.wake_ups - before.wake_ups <= 4, "{before:?} {after:?}");
    setrlimit(Resource::Nofile, limit).unwrap();
    exchange(&mut socket, &[], 64);

    // Served at once when another connection closes.
    let (mut socket, limit) = starved(&rig, &[2, 64]);
    drop(other);
    exchange(&mut socket, &[], 64);
    setrlimit(Resource::Nofile, limit).unwrap();
}
