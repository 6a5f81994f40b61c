//! One connection: a socket, the protocol's state, and what it has in the tree.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use egd::{Demand, ProtocolError, Session};
use htb::{NodeId, Tick, Tree};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use source::Supply;

use crate::command_timeout::CommandTimeout;
use crate::persist::ClientBehaviour;
use crate::slab::Key;
use crate::unsolicited::Unsolicited;

mod ask;
mod flush;

pub(crate) use flush::Flushed;

/// What is granted and not written stays below this and one grant: so a peer that stops reading has not used
/// up more of its pool.
const WINDOW: u64 = 4096;

/// The most of one connection's demand that stands in the tree at once, so that one of four cannot fill the
/// leaf's backlog to the brim.
const MAX_ENQUEUED: u64 = htb::MAX_OWED / 4;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    pub(crate) vm: Key,
    session: Session,
    /// How much of the leaf's backlog is this connection's.
    enqueued: u64,
    /// The 0x01 at the head stands in the tree, and has got so much so far.
    asking: Option<u8>,
    /// How many of the bytes it was granted the supply keeps for it.
    reserved: u64,
    /// The last write went through.
    writable: bool,
    /// The peer sends no more. It may still read.
    pub(crate) ended: bool,
    pub(crate) listed: Listed,
    /// How its peer has spoken, when that was looked at last.
    pub(crate) behaviour: ClientBehaviour,
    /// What it is pushed before it has said anything.
    pub(crate) unsolicited: Unsolicited,
    /// Whether it is in the middle of a command.
    pub(crate) command_timeout: CommandTimeout,
}

/// The plane's lists that a connection is on, so that it is on each once.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each list, each set by itself")]
pub(crate) struct Listed {
    /// Those that may have sent something.
    pub(crate) read: bool,
    /// Those that have something to be written.
    pub(crate) write: bool,
    /// Those whose 0x01 is decided when nobody can be granted more.
    pub(crate) settle: bool,
    /// Those for which the supply has no bytes.
    pub(crate) dry: bool,
    /// Those in the middle of a command.
    pub(crate) stalled: bool,
}

// A thousand VMs that ask share the cache with their leaves and the kernel's sockets.
const _: () = assert!(size_of::<Connection>() <= 640);

/// Why a connection is closed before its peer closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("{0}")]
    Garbage(ProtocolError),
    #[error("ten times more commands a second than are answered, for ten seconds")]
    Flooding,
    #[error("a command was begun and not ended within ten seconds")]
    Stalled,
    #[error("the peer has gone, and left something unread")]
    Gone,
    #[error("{0}")]
    Broken(Errno),
}

impl CloseReason {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Garbage(violation) => violation.reason(),
            Self::Flooding => "Flooding",
            Self::Stalled => "Stalled",
            Self::Gone => "Gone",
            Self::Broken(_) => "Broken",
        }
    }

    fn of(errno: Errno) -> Self {
        match errno {
            Errno::CONNRESET | Errno::PIPE => Self::Gone,
            errno => Self::Broken(errno),
        }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Bytes.
    pub(crate) bytes: usize,
    /// Commands that draw nothing.
    pub(crate) idle: u64,
    /// There may be more.
    pub(crate) more: bool,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd, vm: Key, unsolicited: Unsolicited) -> Self {
        Self {
            socket,
            vm,
            session: Session::new(),
            enqueued: 0,
            asking: None,
            reserved: 0,
            writable: true,
            ended: false,
            listed: Listed::default(),
            behaviour: ClientBehaviour::default(),
            unsolicited: unsolicited,
            command_timeout: CommandTimeout::default(),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Goes on with a session that another process had.
    pub(crate) fn resume_session(&mut self, session: Session) {
        self.session = session;
    }

    pub(crate) fn wants(&self) -> bool {
        self.enqueued > 0
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Nothing is owed, asked or left to write.
    pub(crate) fn is_quiet(&self) -> bool {
        self.session.demand() == Demand::None && self.session.next_reply().is_none()
    }

    /// Reads once; end of file is noted in `ended`.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], now: Tick) -> Result<Received, CloseReason> {
        match recv(&self.socket, &mut *scratch, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => {
                self.ended = true;
                Ok(Received::default())
            }
            Ok((_, count)) => {
                let count = count.min(scratch.len());
                self.unsolicited.end();
                let before = self.session.counters();
                self.session.receive(&scratch[..count]).map_err(CloseReason::Garbage)?;
                let after = self.session.counters();
                self.command_timeout.read(after != before, self.session.partial_command(), now);
                let idle = without_draw(after) - without_draw(before);
                // A short read has emptied the socket: no second call only to hear EAGAIN.
                Ok(Received { bytes: count, idle, more: count == scratch.len() })
            }
            Err(Errno::AGAIN) => Ok(Received::default()),
            Err(Errno::INTR) => Ok(Received { more: true, ..Received::default() }),
            Err(errno) => Err(CloseReason::of(errno)),
        }
    }

    /// Takes what it can use of a grant, and says how much that is.
    pub(crate) fn grant(&mut self, offered: u64) -> u64 {
        let bytes = offered.min(self.enqueued);
        self.enqueued -= bytes;
        if let Some(got) = self.asking {
            // A 0x01 asks for at most 255, so all it gets fits.
            self.asking = Some(got.saturating_add(u8::try_from(bytes).unwrap_or(u8::MAX)));
            if self.enqueued == 0 {
                self.answer();
            }
        } else {
            self.session.grant(bytes);
        }
        bytes
    }

    /// Takes everything back from the tree. A 0x01 gets for its answer what it had got so far.
    pub(crate) fn withdraw(&mut self, tree: &mut Tree, leaf: NodeId, now: Tick) {
        if self.enqueued > 0 {
            tree.cancel(leaf, self.enqueued, now);
            self.enqueued = 0;
        }
        self.answer();
    }

    fn answer(&mut self) {
        if let Some(got) = self.asking.take() {
            self.session.answer_non_blocking(got);
        }
    }

    /// Has the supply keep what was granted: it cannot be granted to others.
    pub(crate) fn reserve(&mut self, supply: &mut Supply) {
        let granted = self.granted();
        supply.reserve(granted.saturating_sub(self.reserved));
        self.reserved = self.reserved.max(granted);
    }

    /// Lets others have what it cannot take at the moment, or will never take.
    pub(crate) fn release(&mut self, supply: &mut Supply) {
        supply.release(std::mem::take(&mut self.reserved));
    }

    /// Its supply is another one, which keeps nothing for it yet.
    pub(crate) fn resupply(&mut self, supply: &mut Supply) {
        supply.reserve(self.reserved);
    }

    /// Granted and not written, with what a 0x01 has got so far.
    fn granted(&self) -> u64 {
        self.unwritten() + self.asking.map_or(0, u64::from)
    }

    /// Granted and not written.
    fn unwritten(&self) -> u64 {
        self.session.random_pending()
    }

    /// So much is granted and not written that it should go out now.
    pub(crate) fn is_window_full(&self) -> bool {
        self.unwritten() >= WINDOW
    }

    /// The peer has read: writing may go on.
    pub(crate) fn resume(&mut self) {
        self.writable = true;
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Commands that draw nothing, or only what can be had at once.
fn without_draw(asked: egd::Counters) -> u64 {
    asked.level + asked.non_blocking + asked.write + asked.pid
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
