//! The messages between a predecessor and its successor, with file descriptors, and a time-out for each.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags};

use crate::fd_packet::{self, Packet};

/// The version of the protocol. The state it carries has none: its fields are only ever added.
pub(super) const VERSION: u16 = 3;
/// The first version with *locks* and *preparing*.
pub(super) const WITH_LOCKS: u16 = 3;
/// The oldest supported version: it ends with *done*, and does not send a pod's generation.
pub(super) const OLDEST: u16 = 1;

/// The socket's name in the run directory.
pub(super) const HANDOVER_SOCKET: &str = "handover.sock";
/// Bytes of one message: less than the smallest socket buffer.
pub(super) const BODY: usize = 32 * 1024;

/// The first byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum MessageKind {
    /// Successor: wants to take over, with its version and its pod's generation.
    Hello = b'H',
    /// Predecessor: the checkpoint is complete, prepare.
    Offer = b'O',
    /// Predecessor: continues to serve, with the reason.
    Refused = b'X',
    /// Predecessor: continues to serve, because its pod is newer.
    Newer = b'N',
    /// Successor: prepares, and needs more time.
    Preparing = b'K',
    /// Successor: is prepared, stop serving and send everything.
    Ask = b'A',
    /// Predecessor: the locks of its directories.
    Locks = b'L',
    Sockets = b'F',
    /// Predecessor: a part of the state.
    Part = b'P',
    /// Predecessor: everything is sent, with the number of sockets.
    End = b'E',
    /// Successor: is ready to serve.
    Ready = b'R',
    /// Predecessor: has stopped for good, serve.
    Done = b'D',
    /// Successor: serves.
    Serves = b'S',
}

impl MessageKind {
    const ALL: [Self; 13] = [
        Self::Hello,
        Self::Offer,
        Self::Refused,
        Self::Newer,
        Self::Preparing,
        Self::Ask,
        Self::Locks,
        Self::Sockets,
        Self::Part,
        Self::End,
        Self::Ready,
        Self::Done,
        Self::Serves,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Names a time-out.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => {
            io::Error::new(ErrorKind::TimedOut, "the other process did not answer in time")
        }
        _ => error,
    }
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: MessageKind,
    pub(super) body: Vec<u8>,
    pub(super) sockets: Vec<OwnedFd>,
}

/// One end of a connection that preserves message boundaries.
#[derive(Debug)]
pub(super) struct Channel(pub(super) OwnedFd);

impl Channel {
    /// Sets how long the peer may take to send a message, and to read one.
    pub(super) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(timeout))?;
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(timeout))?)
    }

    pub(super) fn send(&self, kind: MessageKind, body: &[u8]) -> io::Result<()> {
        self.send_with_sockets(kind, body, &[])
    }

    pub(super) fn send_with_sockets(
        &self,
        kind: MessageKind,
        body: &[u8],
        sockets: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let kind = [kind as u8];
        let parts = [IoSlice::new(&kind), IoSlice::new(body)];
        fd_packet::send(&self.0, &parts, sockets, SendFlags::empty()).map_err(timed_out)
    }

    pub(super) fn receive(&self) -> io::Result<Message> {
        let Packet { bytes, descriptors: sockets } =
            fd_packet::receive(&self.0, BODY + 1, RecvFlags::empty()).map_err(timed_out)?;
        let (kind, body) = match bytes.split_first() {
            None => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the other process closed the connection",
                ));
            }
            Some((kind, body)) => (MessageKind::of(*kind), body.to_vec()),
        };
        let unknown = || io::Error::new(ErrorKind::InvalidData, "unknown message kind");
        Ok(Message { kind: kind.ok_or_else(unknown)?, body, sockets })
    }

    /// Receives a message of this kind.
    pub(super) fn expect(&self, kind: MessageKind) -> io::Result<Message> {
        self.expect_any(&[kind])
    }

    /// Receives a message of one of these kinds.
    pub(super) fn expect_any(&self, kinds: &[MessageKind]) -> io::Result<Message> {
        let message = self.receive()?;
        if kinds.contains(&message.kind) {
            return Ok(message);
        }
        let reason = match message.kind {
            MessageKind::Refused | MessageKind::Newer => String::from_utf8_lossy(&message.body).into_owned(),
            other => format!("received {other:?}, expected {:?}", kinds[0]),
        };
        Err(io::Error::new(ErrorKind::InvalidData, reason))
    }
}
