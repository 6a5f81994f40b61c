//! Another daemon that speaks EGD, over a unix or a TCP socket.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};
use zeroize::Zeroizing;

use super::device::read_once;
use super::own_sockets::OwnSockets;
use super::provenance::{Provenance, SourceIdentity};
use super::{Noise, OpenError};

/// EGD's blocking read: that many bytes, as soon as there are some. Its replies have no count byte, so they are a plain
/// stream.
const READ_BLOCKING: u8 = 0x02;
/// Bytes of one request: what a Linux guest asks for, and servers answer in one piece.
const REQUEST: u8 = 64;
/// Requests pending at once: at most 1 KiB waits unread in the socket.
const PIPELINE: usize = 16;

/// Bytes that a server may send unasked in one connection. `entropool` does so to a client that may have lost its
/// requests with an earlier connection, as QEMU does; it stops at the first request, which is sent at once.
const MOST_UNSOLICITED: usize = 255;

/// One connection. A request is never sent again: if the server loses it, the source stalls.
#[derive(Debug)]
pub(super) struct Upstream {
    socket: OwnedFd,
    phase: Phase,
    /// Bytes requested and not received.
    pending: usize,
    /// Whether only the first byte of the last request was sent.
    half_sent: bool,
    /// Bytes received that were not requested.
    unsolicited: usize,
    provenance: Arc<Provenance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Connected,
}

/// The server violates the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the EGD server sent more than {MOST_UNSOLICITED} unsolicited bytes")]
struct UnsolicitedBytes;

impl Upstream {
    pub(super) fn connect_unix(path: &Path, own: &OwnSockets) -> Result<Self, OpenError> {
        let failed = |errno: Errno| failed(&path.display().to_string(), errno);
        if own.include_file(path) {
            return Err(OpenError::OwnSocket { upstream: path.display().to_string() });
        }
        let address = SocketAddrUnix::new(path).map_err(failed)?;
        let socket = socket(AddressFamily::UNIX).map_err(failed)?;
        let phase = start(connect(&socket, &address)).map_err(failed)?;
        // Without its file, which was just there, it is known by its path.
        let found = path.metadata().map(|found| SourceIdentity::Inode(found.dev(), found.ino()));
        let mut provenance = found.map_or_else(|_| Provenance::default(), Provenance::of);
        if let Ok(file) = path.canonicalize() {
            provenance = provenance.with_file(file);
        }
        // A unix socket is connected at once, or not at all.
        provenance = provenance.served_by(peer::program(&socket).as_deref());
        Ok(Self::new(socket, phase, provenance))
    }

    pub(super) fn connect_tcp(address: &str, own: &OwnSockets) -> Result<Self, OpenError> {
        let failed = |errno: Errno| failed(address, errno);
        let to = resolve(address)?;
        if own.include_address(to) {
            return Err(OpenError::OwnSocket { upstream: address.to_owned() });
        }
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket(family).map_err(failed)?;
        // Requests are two bytes, and must not wait for more of them.
        set_tcp_nodelay(&socket, true).map_err(failed)?;
        let phase = start(connect(&socket, &to)).map_err(failed)?;
        Ok(Self::new(socket, phase, Provenance::of(SourceIdentity::Address(to)).served_by(None)))
    }

    fn new(socket: OwnedFd, phase: Phase, provenance: Provenance) -> Self {
        let provenance = Arc::new(provenance);
        Self { socket, phase, pending: 0, half_sent: false, unsolicited: 0, provenance }
    }

    /// `WouldBlock` until the server has accepted.
    fn finish_connecting(&mut self) -> io::Result<()> {
        if self.phase == Phase::Connecting {
            socket_error(&self.socket)??;
            // There is no error either while the connection is pending; only a connected socket has a peer.
            match rustix::net::getpeername(&self.socket) {
                Ok(_) => self.phase = Phase::Connected,
                Err(Errno::NOTCONN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Requests as much as there is `room` for, within the pipeline.
    fn send_requests(&mut self, room: usize) -> io::Result<()> {
        let pending_requests = self.pending.div_ceil(REQUEST.into());
        let wanted = room.div_ceil(REQUEST.into()).min(PIPELINE).saturating_sub(pending_requests);
        let requests = [READ_BLOCKING, REQUEST].repeat(wanted.max(self.half_sent.into()));
        let rest = &requests[self.half_sent.into()..];
        if rest.is_empty() {
            return Ok(());
        }
        match read_once(|| send(&self.socket, rest, SendFlags::NOSIGNAL)) {
            Ok(sent) => {
                // A request counts once its length byte is sent.
                let sent = sent + usize::from(self.half_sent);
                self.pending += sent / 2 * usize::from(REQUEST);
                self.half_sent = sent % 2 == 1;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Discards what came though nothing is pending. It is as good as what was requested, but what is not requested is not
    /// counted, and too much of it is not EGD.
    fn discard_unsolicited(&mut self) -> io::Result<()> {
        let mut space = Zeroizing::new([0; MOST_UNSOLICITED + 1]);
        let received = || recv(&self.socket, &mut space[..], RecvFlags::empty()).map(|(count, _)| count);
        match read_once(received) {
            Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(count) => {
                self.unsolicited += count;
                self.provenance = Arc::new((*self.provenance).clone().revealed_as_entropool());
                if self.unsolicited > MOST_UNSOLICITED {
                    Err(io::Error::other(UnsolicitedBytes))
                } else {
                    Ok(())
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Noise for Upstream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.finish_connecting()?;
        if self.pending == 0 && !self.half_sent {
            self.discard_unsolicited()?;
        }
        self.send_requests(space.len())?;
        if self.pending == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let wanted = space.len().min(self.pending);
        let count = read_once(|| {
            recv(&self.socket, &mut space[..wanted], RecvFlags::empty()).map(|(count, _)| count)
        })?;
        self.pending -= count.min(self.pending);
        Ok(count)
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let unsent = self.pending == 0;
        let flags = match self.phase {
            Phase::Connecting => PollFlags::OUT,
            Phase::Connected if unsent => PollFlags::IN | PollFlags::OUT,
            Phase::Connected => PollFlags::IN,
        };
        Some((self.socket.as_fd(), flags))
    }

    fn provenance(&self) -> Arc<Provenance> {
        Arc::clone(&self.provenance)
    }
}

fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// `EAGAIN`, a unix server's full backlog, is a failure: the socket does not signal when there is room.
fn start(connected: Result<(), Errno>) -> Result<Phase, Errno> {
    match connected {
        Ok(()) => Ok(Phase::Connected),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(Phase::Connecting),
        Err(errno) => Err(errno),
    }
}

fn failed(upstream: &str, errno: Errno) -> OpenError {
    OpenError::Connect { upstream: upstream.to_owned(), source: errno.into() }
}

fn resolve(address: &str) -> Result<SocketAddr, OpenError> {
    let failed = |source| OpenError::Resolve { address: address.to_owned(), source };
    let mut found = address.to_socket_addrs().map_err(failed)?;
    found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
