//! What attackers do, each until it is told that it is over. Every one ends by itself when the daemon does.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};

/// One attack, by the name it has in `docs/threats.md`.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The limits of its own doing that its VM has met at the end.
    pub(super) meets: &'static [&'static str],
    /// Connections that it may hold on the daemon's side.
    pub(super) connections: usize,
    how: AttackMethod,
}

enum AttackMethod {
    Alone(fn(&Path, &AtomicBool)),
    Together(Vec<PathBuf>),
}

impl Attack {
    const fn alone(
        name: &'static str,
        what: &'static str,
        meets: &'static [&'static str],
        how: fn(&Path, &AtomicBool),
    ) -> Self {
        Self { name, what, meets, connections: 4, how: AttackMethod::Alone(how) }
    }

    pub(super) fn play(&self, place: &Path, over: &AtomicBool) {
        // A guest has processors of its own, and not more right to the daemon's than the daemon.
        let _ = rustix::process::nice(10);
        match &self.how {
            AttackMethod::Alone(act) => act(place, over),
            AttackMethod::Together(places) => thread::scope(|scope| {
                for (place, act) in places.iter().zip(ACTS.iter().cycle()) {
                    scope.spawn(|| act.play(place, over));
                }
            }),
        }
    }
}

pub(super) const ACTS: &[Attack] = &[
    Attack::alone("A1", "as many connections as it can make", &["delayed", "replaced"], connections),
    Attack::alone("A2", "half a command, a byte now and then", &["stalled"], half_commands),
    Attack::alone("A3", "asks and never reads", &[], never_reads),
    Attack::alone("A4", "a flood of 0x00 and 0x01", &["unanswered"], questions),
    Attack::alone("A5", "a flood of 0x02, 4 GiB and more", &["deferred"], debts),
    Attack::alone("A6", "a flood of 0x03 that claims 65535 bits each", &[], claims),
    Attack::alone("A7", "all commands in turns, unread", &["garbage"], mixtures),
    Attack::alone("A8", "garbage, zero lengths and ends in a command", &["garbage"], garbage),
    Attack::alone("A9", "connects and leaves at once", &["delayed"], churn),
    Attack::alone("A10", "sends open files along", &[], files),
    Attack::alone("A12", "asks 0x00 while another drains the pool", &[], drain),
];

/// A11: everybody at once, each of them in another way.
pub(super) fn collusion(places: &[PathBuf]) -> Attack {
    let how = AttackMethod::Together(places.to_vec());
    Attack { name: "A11", what: "all of these at once", meets: &[], connections: 4 * places.len(), how }
}

fn on(over: &AtomicBool) -> bool {
    !over.load(Ordering::Relaxed)
}

/// As long as an attacker that waits for nothing stays off the processor.
fn breathe() {
    thread::sleep(Duration::from_millis(1));
}

/// A connection that never blocks; none while the daemon does not take one.
fn knock(place: &Path) -> Option<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    match connect(&socket, &SocketAddrUnix::new(place).unwrap()) {
        Ok(()) => Some(socket.into()),
        Err(Errno::AGAIN) => None,
        Err(errno) => panic!("connecting: {errno}"),
    }
}

fn enter(place: &Path, over: &AtomicBool) -> Option<UnixStream> {
    while on(over) {
        match knock(place) {
            Some(stream) => return Some(stream),
            None => breathe(),
        }
    }
    None
}

/// Writes as far as it goes, and reads what has come. False when the daemon has closed.
fn exchange(stream: &mut UnixStream, request: &[u8], into: &mut [u8]) -> bool {
    let written = stream.write(request);
    let read = stream.read(into);
    let lives = |count: usize, error: Option<ErrorKind>| count > 0 || error == Some(ErrorKind::WouldBlock);
    let written = written.map_or_else(|error| (0, Some(error.kind())), |count| (count, None));
    let read = read.map_or_else(|error| (0, Some(error.kind())), |count| (count, None));
    if read.1.is_some() && written.1.is_some() {
        breathe();
    }
    lives(written.0, written.1) && lives(read.0, read.1)
}

/// Keeps on with a request, connecting anew when it is thrown out; reads, so that it is owed little.
fn flood(place: &Path, over: &AtomicBool, request: &[u8]) {
    let mut reply = [0; 16 * 1024];
    while let Some(mut stream) = enter(place, over) {
        while on(over) && exchange(&mut stream, request, &mut reply) {}
    }
}

fn connections(place: &Path, over: &AtomicBool) {
    let mut held = Vec::new();
    for _ in 0..10_000 {
        if !on(over) {
            return;
        }
        held.extend(knock(place));
        if held.len() > 100 {
            held.remove(0);
        }
        breathe();
    }
    while on(over) {
        breathe();
    }
}

/// Longer than the others, since the limit is ten seconds: it goes on beside the attacks that follow.
fn half_commands(place: &Path, over: &AtomicBool) {
    let place = place.to_owned();
    let half = move || {
        let mut all: Vec<_> = (0..4).map(|_| UnixStream::connect(&place).unwrap()).collect();
        for stream in &mut all {
            stream.write_all(&[3, 0xff, 0xff, 255]).unwrap();
        }
        for _ in 0..30 {
            for stream in &mut all {
                // The last of these find the connection closed.
                let _ = stream.write(&[7]);
            }
            thread::sleep(Duration::from_millis(500));
        }
    };
    thread::spawn(half);
    while on(over) {
        breathe();
    }
}

fn never_reads(place: &Path, over: &AtomicBool) {
    let Some(mut stream) = enter(place, over) else { return };
    while on(over) {
        if stream.write(&[2, 255].repeat(1000)).is_err() {
            breathe();
        }
    }
}

fn questions(place: &Path, over: &AtomicBool) {
    thread::scope(|scope| {
        scope.spawn(|| flood(place, over, &[0; 4096]));
        scope.spawn(|| flood(place, over, &[1, 1].repeat(2048)));
    });
}

fn debts(place: &Path, over: &AtomicBool) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| flood(place, over, &[2, 255].repeat(32 * 1024)));
        }
    });
}

fn claims(place: &Path, over: &AtomicBool) {
    let mut claim = vec![3, 255, 255, 255];
    claim.resize(4 + 255, 7);
    flood(place, over, &claim.repeat(16));
}

fn mixtures(place: &Path, over: &AtomicBool) {
    while let Some(mut stream) = enter(place, over) {
        while on(over) && exchange(&mut stream, &[2, 255, 1, 3, 0, 4].repeat(100), &mut []) {}
        breathe();
    }
}

fn garbage(place: &Path, over: &AtomicBool) {
    let pieces: [&[u8]; 6] = [&[0xff], &[2, 0, 1, 0, 9], &[2], &[3, 0, 0, 9, 1], &[1, 0, 2, 0], &[7; 4096]];
    for piece in pieces.iter().cycle() {
        let Some(mut stream) = enter(place, over) else { return };
        exchange(&mut stream, piece, &mut [0; 16]);
        // It may have been closed before.
        let _ = stream.shutdown(Shutdown::Write);
        breathe();
    }
}

fn churn(place: &Path, over: &AtomicBool) {
    while on(over) {
        if knock(place).is_none() {
            breathe();
        }
    }
}

fn files(place: &Path, over: &AtomicBool) {
    let Some(stream) = enter(place, over) else { return };
    let fds = [stream.as_fd(); 64];
    while on(over) {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        if sendmsg(&stream, &[IoSlice::new(&[2, 1])], &mut control, SendFlags::NOSIGNAL).is_err() {
            breathe();
        }
        // What it is sent for that.
        let _ = (&stream).read(&mut [0; 4096]);
    }
}

fn drain(place: &Path, over: &AtomicBool) {
    flood(place, over, &[2, 255].repeat(64));
}
