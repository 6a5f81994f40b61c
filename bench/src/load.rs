//! A closed-loop EGD load: every connection asks, waits for the whole reply, asks again.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use rustix::event::epoll;

/// What to ask, of whom, for how long.
pub struct Load {
    /// One connection to each.
    pub sockets: Vec<PathBuf>,
    /// Bytes of each request, 1 to 255.
    pub reply: u8,
    /// Requests in flight on each connection.
    pub depth: usize,
    /// Not counted, so that caches and buckets settle.
    pub warm: Duration,
    /// Counted.
    pub measure: Duration,
}

/// What came of it.
pub struct Outcome {
    /// Whole replies within `measured`.
    pub requests: u64,
    /// The time really measured.
    pub measured: Duration,
    /// Nanoseconds from asking to the last byte.
    pub latency: Histogram<u64>,
}

struct Connection {
    stream: UnixStream,
    missing: usize,
    asked: Instant,
}

impl Load {
    /// Runs the load; `mark` is called when measuring begins and when it ends.
    pub fn run(&self, mut mark: impl FnMut()) -> Result<Outcome> {
        let (poll, mut connections) = self.connect()?;
        let request = [2, self.reply].repeat(self.depth);
        let whole = usize::from(self.reply) * self.depth;
        for connection in &mut connections {
            connection.ask(&request, whole, Instant::now())?;
        }
        let mut latency = Histogram::<u64>::new(3)?;
        let begin = Instant::now() + self.warm;
        let mut measuring = None;
        let mut events = Vec::with_capacity(256);
        let mut scratch = vec![0u8; 65536];
        let mut requests = 0;
        loop {
            events.clear();
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&tick()))?;
            let mut now = Instant::now();
            if measuring.is_none() && now >= begin {
                mark();
                now = Instant::now();
                measuring = Some(now);
            }
            if let Some(since) = measuring
                && now.duration_since(since) >= self.measure
            {
                mark();
                return Ok(Outcome { requests, measured: now.duration_since(since), latency });
            }
            for event in &events {
                let index = usize::try_from(event.data.u64()).context("an index of ours")?;
                let connection = &mut connections[index];
                if !connection.take(&mut scratch)? {
                    continue;
                }
                let now = Instant::now();
                if measuring.is_some() {
                    requests += self.depth as u64;
                    let waited = now.duration_since(connection.asked).as_nanos();
                    latency.record(u64::try_from(waited)?)?;
                }
                connection.ask(&request, whole, now)?;
            }
        }
    }

    fn connect(&self) -> Result<(std::os::fd::OwnedFd, Vec<Connection>)> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(self.sockets.len());
        for (index, path) in self.sockets.iter().enumerate() {
            let stream =
                UnixStream::connect(path).with_context(|| format!("connect to {}", path.display()))?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&poll, stream.as_fd(), data, epoll::EventFlags::IN)?;
            connections.push(Connection { stream, missing: 0, asked: Instant::now() });
        }
        Ok((poll, connections))
    }
}

impl Connection {
    fn ask(&mut self, request: &[u8], whole: usize, now: Instant) -> Result<()> {
        self.stream.write_all(request).context("ask")?;
        self.missing = whole;
        self.asked = now;
        Ok(())
    }

    /// Reads what is there; true once the reply is whole.
    fn take(&mut self, scratch: &mut [u8]) -> Result<bool> {
        match self.stream.read(scratch) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(got) if got > self.missing => bail!("the server sent {} bytes too many", got - self.missing),
            Ok(got) => self.missing -= got,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("read a reply"),
        }
        Ok(self.missing == 0)
    }
}

fn tick() -> rustix::event::Timespec {
    rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 }
}
