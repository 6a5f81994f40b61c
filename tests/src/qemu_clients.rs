//! Many clients that behave as QEMU's: each asks for 64 bytes, reads no more than it has asked for, thinks, asks again;
//! comes back a second after its connection ends, and never repeats a request.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const REQUEST: usize = 64;
/// QEMU's own interval, as we tell people to set it.
const RECONNECT: Duration = Duration::from_secs(1);
/// So long at most nothing is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes that are compared as one.
const WINDOW: usize = 16;

/// Clients at work on a thread of their own.
pub struct QemuClients {
    stop: Arc<AtomicBool>,
    blows: Disturbances,
    thread: JoinHandle<Report>,
}

/// When whoever serves was killed.
type Disturbances = Arc<Mutex<Vec<Instant>>>;

/// What became of them.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests that were answered.
    pub answered: u64,
    /// Connections that ended.
    pub ended: u64,
    /// The longest that any waited for an answer, those that still wait included.
    pub longest: Duration,
    /// The longest wait for each time that whoever serves was killed during it, as [`Herd::struck`] was told.
    pub longest_a_blow: Duration,
    /// How often that was at most during one wait.
    pub most_blows: u32,
    /// Times 16 bytes came that had come before, to whomever.
    pub repeated: u64,
    /// Of all bits, those that are set, in thousandths.
    pub ones: u64,
}

struct Client {
    socket: PathBuf,
    stream: Option<UnixStream>,
    /// When to connect, or to ask next.
    due: Instant,
    /// Bytes asked for and not come, and since when.
    owed: usize,
    asked: Instant,
    /// The last bytes that came, at most a window.
    tail: Vec<u8>,
}

#[derive(Default)]
struct Observed {
    blocks: HashSet<u128>,
    repeated: u64,
    bits: u64,
    ones: u64,
}

impl QemuClients {
    /// One client for each of `sockets`, all connected when this returns.
    pub fn start(sockets: Vec<PathBuf>, think: Duration) -> Result<Self> {
        let clients = sockets.into_iter().map(Client::connect).collect::<Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let blows = Disturbances::default();
        let struck = Arc::clone(&blows);
        let thread = thread::spawn(move || graze(clients, think, &stopped, &struck));
        Ok(Self { stop, blows, thread })
    }

    /// Whoever serves is killed now.
    pub fn struck(&self) {
        self.blows.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    /// Ends them, and tells.
    pub fn stop(self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the herd's thread panicked")
    }
}

fn graze(mut clients: Vec<Client>, think: Duration, stop: &AtomicBool, blows: &Disturbances) -> Report {
    let (mut report, mut seen) = (Report::default(), Observed::default());
    while !stop.load(Ordering::Relaxed) {
        for index in readable(&clients) {
            clients[index].read(think, blows, &mut report, &mut seen);
        }
        let now = Instant::now();
        for client in clients.iter_mut().filter(|client| client.due <= now) {
            client.act(now, &mut report);
        }
    }
    for client in clients.iter().filter(|client| client.owed > 0) {
        report.waited(client.asked, Instant::now(), blows);
    }
    (report.repeated, report.ones) = (seen.repeated, seen.ones * 1000 / seen.bits.max(1));
    report
}

impl Report {
    fn waited(&mut self, asked: Instant, answered: Instant, blows: &Disturbances) {
        let wait = answered - asked;
        let blows = blows.lock().unwrap_or_else(PoisonError::into_inner);
        let during = blows.iter().rev().take_while(|&&blow| blow >= asked).filter(|&&blow| blow <= answered);
        let during = u32::try_from(during.count()).unwrap_or(u32::MAX);
        self.longest = self.longest.max(wait);
        self.longest_a_blow = self.longest_a_blow.max(wait / during.max(1));
        self.most_blows = self.most_blows.max(during);
    }
}

/// Those that have something to read, after a short wait.
fn readable(clients: &[Client]) -> Vec<usize> {
    let live = || clients.iter().enumerate().filter_map(|(at, it)| Some((at, it.stream.as_ref()?)));
    let mut polled: Vec<_> = live().map(|(_, stream)| PollFd::new(stream, PollFlags::IN)).collect();
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
    if poll(&mut polled, Some(&wait)).is_err() {
        return Vec::new();
    }
    let ready = polled.iter().map(|fd| !fd.revents().is_empty());
    live().zip(ready).filter_map(|((at, _), ready)| ready.then_some(at)).collect()
}

impl Client {
    fn connect(socket: PathBuf) -> Result<Self> {
        let stream =
            UnixStream::connect(&socket).with_context(|| format!("connecting to {}", socket.display()))?;
        stream.set_nonblocking(true)?;
        let now = Instant::now();
        Ok(Self { socket, stream: Some(stream), due: now, owed: 0, asked: now, tail: Vec::new() })
    }

    /// Connects or asks, as is due.
    fn act(&mut self, now: Instant, report: &mut Report) {
        let Some(stream) = &mut self.stream else {
            self.stream = UnixStream::connect(&self.socket).ok();
            if let Some(stream) = &self.stream {
                let _ = stream.set_nonblocking(true);
            }
            self.due = now + if self.stream.is_some() { Duration::ZERO } else { RECONNECT };
            return;
        };
        if self.owed > 0 {
            // What it asked on a connection that has ended it waits for, and asks nothing.
            self.due = now + RECONNECT;
            return;
        }
        let written = stream.write_all(&[2, 64]);
        (self.owed, self.asked, self.due) = (REQUEST, now, now + RECONNECT);
        if written.is_err() {
            // QEMU's write fails silently, and the guest waits for what was never asked.
            self.end(now, report);
        }
    }

    fn read(&mut self, think: Duration, blows: &Disturbances, report: &mut Report, seen: &mut Observed) {
        let Some(stream) = &mut self.stream else { return };
        let mut chunk = [0; REQUEST];
        // It reads only what it waits for, but for the end.
        let wanted = self.owed.max(usize::from(is_over(stream)));
        if wanted == 0 {
            return;
        }
        let now = Instant::now();
        match stream.read(&mut chunk[..wanted]) {
            Ok(0) => self.end(now, report),
            Ok(count) => {
                seen.take(&mut self.tail, &chunk[..count]);
                self.owed = self.owed.saturating_sub(count);
                if self.owed == 0 {
                    report.answered += 1;
                    report.waited(self.asked, now, blows);
                    self.due = now + think;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.end(now, report),
        }
    }

    fn end(&mut self, now: Instant, report: &mut Report) {
        (self.stream, self.due) = (None, now + RECONNECT);
        self.tail.clear();
        report.ended += 1;
    }
}

/// Whether the peer has hung up, with or without something left to read.
fn is_over(stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

impl Observed {
    /// Looks at what came for one client. Blocks are remembered where they begin a window; compared is each window.
    fn take(&mut self, tail: &mut Vec<u8>, came: &[u8]) {
        self.bits += 8 * came.len() as u64;
        self.ones += came.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        tail.extend(came);
        let mut own = Vec::new();
        for (at, window) in tail.windows(WINDOW).enumerate() {
            let window = u128::from_le_bytes(window.try_into().expect("a window's length"));
            self.repeated += u64::from(self.blocks.contains(&window));
            if at % WINDOW == 0 {
                own.push(window);
            }
        }
        let whole = tail.len() / WINDOW * WINDOW;
        self.blocks.extend(own);
        tail.drain(..whole);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_comes_twice_is_noticed_wherever_it_begins() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for offset in 0..WINDOW {
            let mut seen = Observed::default();
            let mut tail = Vec::new();
            bytes.chunks(64).for_each(|chunk| seen.take(&mut tail, chunk));
            assert_eq!(seen.repeated, 0);
            seen.take(&mut Vec::new(), &bytes[offset..offset + 2 * WINDOW]);
            assert!(seen.repeated > 0, "{offset}");
        }
    }
}
