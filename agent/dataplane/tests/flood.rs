//! A million requests from a peer that reads nothing. Alone in its process, so that memory can be told.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "wire/clock.rs"]
mod clock;
#[path = "wire/rig.rs"]
#[allow(dead_code)]
mod rig;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use clock::Stopwatch;
use rig::{Rig, UNBOUND, class, exchange, pool};

const REQUESTS: usize = 1_000_000;
/// What one write may take beyond what a busy machine adds to it.
const LONGEST: Duration = Duration::from_millis(50);

/// Memory of this process that is backed by no file, in bytes.
fn anonymous_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Writes the requests in pieces; gives the longest that one write took.
fn flood(socket: &mut impl Write, piece: &[u8]) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..2 * REQUESTS / piece.len() {
        let clock = Stopwatch::start();
        socket.write_all(piece).unwrap();
        longest = longest.max(clock.elapsed());
    }
    longest
}

/// The same flood into a peer that reads and does nothing else: what this machine takes for it now, whoever else wants
/// its processors.
fn flood_nobody(piece: &[u8]) -> Duration {
    let (mut socket, mut peer) = UnixStream::pair().unwrap();
    let reading = thread::spawn(move || while peer.read(&mut [0; 4096]).unwrap() > 0 {});
    let longest = flood(&mut socket, piece);
    drop(socket);
    reading.join().unwrap();
    longest
}

#[test]
fn a_million_unread_requests_never_block_their_writer_and_cost_no_memory() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", htb::Rate::per_second(8000))]));
    let mut other = rig.client("other");
    exchange(&mut other, &[2, 64], 64);
    let pieces = [[2, 255].to_vec(), [2, 255].repeat(1000), [1, 255].repeat(1000)];
    // The first round gives the allocator and the test's own machinery what they need.
    for (round, piece) in (0..2).flat_map(|round| pieces.iter().map(move |piece| (round, piece))) {
        let mut socket = rig.client("vm");
        exchange(&mut socket, &[2, 1], 1);
        let idle = flood_nobody(piece);
        let before = anonymous_memory();
        let longest = flood(&mut socket, piece);
        let most = LONGEST + 3 * idle;
        assert!(longest <= most, "a write took {longest:?}; to a peer that only reads {idle:?}");
        rig.until("reading it all", |snapshot| {
            let asked = snapshot.pools[0].vms.iter().find(|vm| vm.id == "vm").unwrap().asked;
            asked.blocking + asked.non_blocking > REQUESTS as u64
        });
        let grown = anonymous_memory().saturating_sub(before);
        assert!(round == 0 || grown <= 16 << 10, "memory grew by {grown} bytes");
        exchange(&mut other, &[2, 64], 64);
        rig.server.detach("vm").unwrap();
    }
}
