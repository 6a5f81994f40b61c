//! Clients that want more than they can get, all on one thread.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::arrivals::Arrivals;
use crate::egd_client::EgdClient;

/// One client for each of `sockets` keeps `depth` requests of `request` bytes waiting for as long
/// as `period`; what came is told per socket.
pub fn flood(
    sockets: &[impl AsRef<Path>],
    request: u8,
    depth: u64,
    period: Duration,
) -> Result<Vec<Arrivals>> {
    let mut flooders =
        sockets.iter().map(|socket| GreedyClient::connect(socket.as_ref())).collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    for flooder in &mut flooders {
        flooder.ask(request, depth)?;
    }
    loop {
        let left = period.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(flooders.into_iter().map(|flooder| flooder.arrivals).collect());
        }
        for index in readable(&flooders, left)? {
            flooders[index].receive(begin)?;
            flooders[index].ask(request, depth)?;
        }
    }
}

fn readable(flooders: &[GreedyClient], left: Duration) -> Result<Vec<usize>> {
    let mut polled: Vec<_> =
        flooders.iter().map(|flooder| PollFd::new(&flooder.stream, PollFlags::IN)).collect();
    poll(&mut polled, Some(&Timespec::try_from(left)?))?;
    let ready = polled.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(index, _)| index).collect())
}

struct GreedyClient {
    stream: UnixStream,
    waiting: u64,
    arrivals: Arrivals,
}

impl GreedyClient {
    fn connect(socket: &Path) -> Result<Self> {
        let stream = EgdClient::connect(socket)?.into_stream();
        Ok(Self { stream, waiting: 0, arrivals: Arrivals::default() })
    }

    /// Tops the requests up when half of them are answered, so that most writes carry many.
    fn ask(&mut self, request: u8, depth: u64) -> Result<()> {
        let waiting = self.waiting / u64::from(request);
        if waiting > depth / 2 {
            return Ok(());
        }
        let more = depth - waiting;
        self.waiting += more * u64::from(request);
        self.stream.set_nonblocking(false)?;
        Ok(self.stream.write_all(&[2, request].repeat(usize::try_from(more)?))?)
    }

    fn receive(&mut self, begin: Instant) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        self.stream.set_nonblocking(true)?;
        match self.stream.read(&mut chunk) {
            Ok(read) => {
                ensure!(read > 0, "the daemon closed a connection");
                self.waiting = self.waiting.saturating_sub(read as u64);
                self.arrivals.push(begin.elapsed(), read);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
