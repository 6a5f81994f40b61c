//! Messages between a predecessor and its successor, with descriptors beside them and a time-out on each.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The kernel passes at most 253 descriptors in one message.
pub(super) const DESCRIPTORS: usize = 240;
/// Bytes of one message: less than the smallest buffer takes.
pub(super) const BODY: usize = 32 * 1024;
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS));

/// What a message is about: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum MessageKind {
    /// Successor: I am here, and speak this version.
    Hello = b'H',
    /// Predecessor: what I keep on disk is complete, prepare.
    Offer = b'O',
    /// Predecessor: I go on serving, and here is why.
    Refused = b'X',
    /// Predecessor: I go on serving, for my pod is newer than yours.
    Newer = b'N',
    /// Successor: I am prepared, stop serving and tell me all.
    Ask = b'A',
    /// Predecessor: sockets.
    Sockets = b'F',
    /// Predecessor: a part of the estate.
    Part = b'P',
    /// Predecessor: that was all.
    End = b'E',
    /// Successor: I could serve now.
    Ready = b'R',
    /// Predecessor: do. I never shall again, unless you die before you serve.
    Done = b'D',
    /// Successor: I do.
    Serves = b'S',
}

impl MessageKind {
    const ALL: [Self; 11] = [
        Self::Hello,
        Self::Offer,
        Self::Refused,
        Self::Newer,
        Self::Ask,
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

/// A time-out as a sentence.
fn silent(errno: Errno) -> io::Error {
    match errno {
        Errno::AGAIN => io::Error::new(ErrorKind::TimedOut, "the other process was silent for too long"),
        errno => errno.into(),
    }
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: MessageKind,
    pub(super) body: Vec<u8>,
    pub(super) sockets: Vec<OwnedFd>,
}

/// One end of a connection that keeps messages apart.
#[derive(Debug)]
pub(super) struct Channel(pub(super) OwnedFd);

impl Channel {
    /// From now on whoever is silent, or does not read, for so long has failed.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(patience))?;
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(patience))?)
    }

    pub(super) fn say(&self, kind: MessageKind, body: &[u8]) -> io::Result<()> {
        self.send(kind, body, &[])
    }

    pub(super) fn send(&self, kind: MessageKind, body: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many descriptors for one message"));
        }
        let kind = [kind as u8];
        let parts = [IoSlice::new(&kind), IoSlice::new(body)];
        sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL).map_err(silent)?;
        Ok(())
    }

    pub(super) fn receive(&self) -> io::Result<Message> {
        let mut bytes = vec![0; BODY + 1];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got =
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).map_err(silent)?;
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        let sockets: Vec<_> = rights.flatten().collect();
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "a message was cut: are there descriptors left?",
            ));
        }
        let (kind, body) = match bytes[..got.bytes].split_first() {
            None => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the other process has hung up")),
            Some((kind, body)) => (MessageKind::of(*kind), body.to_vec()),
        };
        let unknown = || io::Error::new(ErrorKind::InvalidData, "a message that this version does not know");
        Ok(Message { kind: kind.ok_or_else(unknown)?, body, sockets })
    }

    /// The next message, which must be of this kind.
    pub(super) fn expect(&self, kind: MessageKind) -> io::Result<Message> {
        self.expect_any(&[kind])
    }

    /// The next message, which must be of one of these kinds.
    pub(super) fn expect_any(&self, kinds: &[MessageKind]) -> io::Result<Message> {
        let message = self.receive()?;
        if kinds.contains(&message.kind) {
            return Ok(message);
        }
        let said = match message.kind {
            MessageKind::Refused | MessageKind::Newer => String::from_utf8_lossy(&message.body).into_owned(),
            other => format!("{other:?} came where {:?} was due", kinds[0]),
        };
        Err(io::Error::new(ErrorKind::InvalidData, said))
    }
}
