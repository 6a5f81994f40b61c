//! Another daemon that speaks EGD, over a unix or a TCP socket.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};

use super::device::read_once;
use super::{Noise, OpenSource};

/// EGD's blocking read: that many bytes, whenever there are some. It needs no count byte, so its answers are a
/// plain stream.
const READ_BLOCKING: u8 = 0x02;
/// Bytes of one request: what a Linux guest asks for, and servers answer in one piece.
const REQUEST: u8 = 64;
/// Requests under way at once: 1 KiB, and never more waits unread in the socket.
const PIPELINE: usize = 16;

/// One connection. A request that was sent is not sent again: when the server forgets it, the stall shows it.
#[derive(Debug)]
pub(super) struct Upstream {
    socket: OwnedFd,
    phase: Phase,
    /// Bytes asked for that have not come.
    owed: usize,
    /// A request of which only the first byte went out.
    half_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Connected,
}

/// The server does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the EGD server sent bytes that it was not asked for")]
struct UnsolicitedBytes;

impl Upstream {
    pub(super) fn connect_unix(path: &Path) -> Result<Self, OpenSource> {
        let failed = |errno: Errno| failed(&path.display().to_string(), errno);
        let address = SocketAddrUnix::new(path).map_err(failed)?;
        let socket = socket(AddressFamily::UNIX).map_err(failed)?;
        let phase = start(connect(&socket, &address)).map_err(failed)?;
        Ok(Self::new(socket, phase))
    }

    pub(super) fn connect_tcp(address: &str) -> Result<Self, OpenSource> {
        let failed = |errno: Errno| failed(address, errno);
        let to = resolve(address)?;
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket(family).map_err(failed)?;
        // Requests are two bytes, and nobody wants to wait until there are more of them.
        set_tcp_nodelay(&socket, true).map_err(failed)?;
        let phase = start(connect(&socket, &to)).map_err(failed)?;
        Ok(Self::new(socket, phase))
    }

    fn new(socket: OwnedFd, phase: Phase) -> Self {
        Self { socket, phase, owed: 0, half_sent: false }
    }

    /// `WouldBlock` until the server has accepted.
    fn finish_connecting(&mut self) -> io::Result<()> {
        if self.phase == Phase::Connecting {
            socket_error(&self.socket)??;
            // No error is also the answer while nothing is decided; only a connected socket has a peer.
            match rustix::net::getpeername(&self.socket) {
                Ok(_) => self.phase = Phase::Connected,
                Err(Errno::NOTCONN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Asks for as much as there is `room` for, within the pipeline.
    fn ask(&mut self, room: usize) -> io::Result<()> {
        let under_way = self.owed.div_ceil(REQUEST.into());
        let wanted = room.div_ceil(REQUEST.into()).min(PIPELINE).saturating_sub(under_way);
        let requests = [READ_BLOCKING, REQUEST].repeat(wanted.max(self.half_sent.into()));
        let rest = &requests[self.half_sent.into()..];
        if rest.is_empty() {
            return Ok(());
        }
        match read_once(|| send(&self.socket, rest, SendFlags::NOSIGNAL)) {
            Ok(sent) => {
                // A request counts when its length went out.
                let sent = sent + usize::from(self.half_sent);
                self.owed += sent / 2 * usize::from(REQUEST);
                self.half_sent = sent % 2 == 1;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Is there something to read though nothing is owed? A server that keeps its count must never be behind.
    fn refuse_unasked(&self) -> io::Result<()> {
        match read_once(|| recv(&self.socket, &mut [0; 1], RecvFlags::PEEK).map(|(count, _)| count)) {
            Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(_) => Err(io::Error::other(UnsolicitedBytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Noise for Upstream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.finish_connecting()?;
        if self.owed == 0 {
            self.refuse_unasked()?;
        }
        self.ask(space.len())?;
        if self.owed == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let wanted = space.len().min(self.owed);
        let count = read_once(|| {
            recv(&self.socket, &mut space[..wanted], RecvFlags::empty()).map(|(count, _)| count)
        })?;
        self.owed -= count.min(self.owed);
        Ok(count)
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let unsent = self.owed == 0;
        let flags = match self.phase {
            Phase::Connecting => PollFlags::OUT,
            Phase::Connected if unsent => PollFlags::IN | PollFlags::OUT,
            Phase::Connected => PollFlags::IN,
        };
        Some((self.socket.as_fd(), flags))
    }
}

fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// `EAGAIN`, a unix server's full backlog, is a failure: nothing would tell when it has room.
fn start(connected: Result<(), Errno>) -> Result<Phase, Errno> {
    match connected {
        Ok(()) => Ok(Phase::Connected),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Phase::Connecting),
        Err(errno) => Err(errno),
    }
}

fn failed(upstream: &str, errno: Errno) -> OpenSource {
    OpenSource::Connect { upstream: upstream.to_owned(), source: errno.into() }
}

fn resolve(address: &str) -> Result<SocketAddr, OpenSource> {
    let failed = |source| OpenSource::Resolve { address: address.to_owned(), source };
    let mut found = address.to_socket_addrs().map_err(failed)?;
    found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
