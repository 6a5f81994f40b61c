//! Guests that ask for 64 bytes and wait, all on one thread, as fast as they are served.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const REQUEST: u8 = 64;

/// They ask on from one measurement to the next.
pub(super) struct HonestClients(Vec<Client>);

struct Client {
    stream: UnixStream,
    asked: Instant,
    missing: usize,
}

/// What came in a period.
#[derive(Debug)]
pub(super) struct Measured {
    /// Of the VM that got least.
    pub(super) least: u64,
    pub(super) period: Duration,
    /// In order.
    waits: Vec<Duration>,
}

impl Measured {
    pub(super) fn p99(&self) -> Duration {
        self.waits[self.waits.len() * 99 / 100]
    }

    pub(super) fn longest(&self) -> Duration {
        self.waits[self.waits.len() - 1]
    }
}

impl HonestClients {
    pub(super) fn connect(places: impl Iterator<Item = PathBuf>) -> Self {
        Self(places.map(|place| Client::connect(&place)).collect())
    }

    /// What they get and how long they wait for it, once their bursts are used up.
    pub(super) fn measure(&mut self, warm_up: Duration, period: Duration) -> Measured {
        self.go_on(warm_up, |_, _| ());
        let (mut bytes, mut waits) = (vec![0; self.0.len()], Vec::new());
        self.go_on(period, |client, wait| {
            bytes[client] += u64::from(REQUEST);
            waits.push(wait);
        });
        waits.sort_unstable();
        assert!(!waits.is_empty(), "nobody got anything");
        Measured { least: bytes.into_iter().min().unwrap_or(0), period, waits }
    }

    fn go_on(&mut self, period: Duration, mut served: impl FnMut(usize, Duration)) {
        let begin = Instant::now();
        loop {
            let left = period.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return;
            }
            for index in self.readable(left) {
                if let Some(wait) = self.0[index].receive() {
                    served(index, wait);
                }
            }
        }
    }

    fn readable(&self, left: Duration) -> Vec<usize> {
        let mut polled: Vec<_> =
            self.0.iter().map(|client| PollFd::new(&client.stream, PollFlags::IN)).collect();
        poll(&mut polled, Some(&Timespec::try_from(left).unwrap())).unwrap();
        let ready = polled.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
        ready.map(|(index, _)| index).collect()
    }
}

impl Client {
    fn connect(place: &PathBuf) -> Self {
        let stream = UnixStream::connect(place).unwrap();
        let mut client = Self { stream, asked: Instant::now(), missing: 0 };
        client.ask();
        client.stream.set_nonblocking(true).unwrap();
        client
    }

    fn ask(&mut self) {
        // Two bytes into an empty buffer.
        self.stream.write_all(&[2, REQUEST]).unwrap();
        (self.asked, self.missing) = (Instant::now(), REQUEST.into());
    }

    /// How long the last request waited, if it is served in full; the next one is on its way then.
    fn receive(&mut self) -> Option<Duration> {
        match self.stream.read(&mut [0; REQUEST as usize][..self.missing]) {
            Ok(read) => {
                assert!(read > 0, "the daemon closed an honest connection");
                self.missing -= read;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("an honest connection: {error}"),
        }
        if self.missing > 0 {
            return None;
        }
        // A QEMU asks for what it was sent unsolicited, too: that is not waited for.
        let wait = self.asked.elapsed();
        self.ask();
        Some(wait)
    }
}
