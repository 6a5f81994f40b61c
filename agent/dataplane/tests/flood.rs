//! A million requests from a peer that reads nothing. Alone in its process, so that its memory can be measured.
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
/// The longest time of a write, apart from what a busy machine adds.
const LONGEST: Duration = Duration::from_millis(50);

/// Anonymous memory of this process, in bytes.
fn anonymous_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Writes the requests in pieces; returns the longest time of a write.
fn flood(socket: &mut impl Write, piece: &[u8]) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..2 * REQUESTS / piece.len() {
        let clock = Stopwatch::start();
        socket.write_all(piece).unwrap();
        longest = longest.max(clock.elapsed());
    }
    longest
}

/// The same flood to a peer that only reads: the time that this machine takes now, under its present load.
fn flood_idle_peer(piece: &[u8]) -> Duration {
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
    // The first round warms up the allocator.
    for (round, piece) in (0..2).flat_map(|round| pieces.iter().map(move |piece| (round, piece))) {
        let mut socket = rig.client("vm");
        exchange(&mut socket, &[2, 1], 1);
        let idle = flood_idle_peer(piece);
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
        rig.data_plane.detach("vm").unwrap();
    }
}
