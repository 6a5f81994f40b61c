//! One connection: a socket, the protocol's state, and its share of the leaf's backlog.

mod close_reason;
mod command_timeout;
mod connections;
mod demand;
mod flush;
mod non_blocking_read;
mod peer;
mod send_queue;

pub(crate) use close_reason::CloseReason;
pub(crate) use connections::Connections;
pub(crate) use flush::Flushed;
pub(crate) use peer::is_qemu;
pub(crate) use send_queue::has_unread;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use egd::{Demand, Session};
use htb::{NodeId, Tick, Tree};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use source::Supply;

use self::command_timeout::CommandTimeout;
use self::non_blocking_read::NonBlockingRead;
use crate::config::MAX_CONNECTIONS;
use crate::persist::SessionIndex;
use crate::slab::Key;
use crate::vm::{ClientBehaviour, Unsolicited};

/// Bytes granted and not written stay below this and one grant, so that a peer that stops reading has used up no more
/// of its pool.
const WINDOW: u64 = 4096;

/// The most of one connection's demand that is in the tree at once, so that all of a VM's fit into the leaf's backlog.
const MAX_ENQUEUED: u64 = htb::MAX_OWED / MAX_CONNECTIONS as u64;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    pub(crate) vm: Key,
    session: Session,
    /// Its part of the leaf's backlog.
    enqueued: u64,
    /// The 0x01 at the head, while it is in the tree.
    non_blocking: Option<NonBlockingRead>,
    /// Granted bytes that the supply reserves for it.
    reserved: u64,
    /// The last write did not block.
    writable: bool,
    /// The peer has shut down its side. It may still read.
    pub(crate) ended: bool,
    /// Everything that the peer sent before it did so has been read.
    input_over: bool,
    listed: Listed,
    /// Its record in the session file: its socket is in the store under the same number.
    record: Option<SessionIndex>,
    /// As of the last read.
    pub(crate) behaviour: ClientBehaviour,
    /// The unsolicited bytes that it is sent before its first request.
    pub(crate) unsolicited: Unsolicited,
    pub(crate) command_timeout: CommandTimeout,
}

/// The lists that a connection is on, so that it is on each once.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each list, each set by itself")]
struct Listed {
    read: bool,
    write: bool,
    dry: bool,
    timeout: bool,
    /// The 0x01 that wait, by when they are answered.
    non_blocking: bool,
}

// The connections of a thousand busy VMs share the cache with their leaves and the kernel's sockets.
const _: () = assert!(size_of::<Connection>() <= 640);

/// The outcome of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// Commands that are answered without a grant.
    pub(crate) free_commands: u64,
    /// There may be more.
    pub(crate) more: bool,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd, vm: Key, unsolicited: Unsolicited) -> Self {
        Self::with_session(socket, vm, unsolicited, Session::new())
    }

    /// Continues a session that another process had.
    pub(crate) fn with_session(socket: OwnedFd, vm: Key, unsolicited: Unsolicited, session: Session) -> Self {
        Self {
            socket,
            vm,
            session,
            enqueued: 0,
            non_blocking: None,
            reserved: 0,
            writable: true,
            ended: false,
            input_over: false,
            listed: Listed::default(),
            record: None,
            behaviour: ClientBehaviour::default(),
            unsolicited,
            command_timeout: CommandTimeout::default(),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn record(&self) -> Option<SessionIndex> {
        self.record
    }

    pub(crate) fn set_record(&mut self, record: Option<SessionIndex>) {
        self.record = record;
    }

    /// Ends it for the peer, whoever else has a copy of its socket.
    pub(crate) fn shut_down(&self) {
        // A peer that has closed it already needs to be told nothing.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    /// Whether the tree has demand from it.
    pub(crate) fn has_demand(&self) -> bool {
        self.enqueued > 0
    }

    /// It may be closed for a newer one: no answer is owed, no command begun, and nothing left to read.
    pub(crate) fn is_replaceable(&self) -> bool {
        self.is_idle() && !self.session.partial_command() && !self.has_input()
    }

    /// The peer has sent something that is not read yet, or nothing more will come.
    pub(crate) fn has_input(&self) -> bool {
        recv(&self.socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok()
    }

    /// Nothing is owed, requested or left to write.
    pub(crate) fn is_idle(&self) -> bool {
        self.session.demand() == Demand::None && self.session.next_reply().is_none()
    }

    /// The peer has shut down its side, and everything that it sent has been read. An incomplete command never will be
    /// complete.
    pub(crate) fn end_input(&mut self, now: Tick) {
        self.input_over = true;
        self.unsolicited.end();
        self.command_timeout.update(false, false, now);
    }

    /// The peer has sent all that it ever will, and has been sent all that it was owed.
    pub(crate) fn is_done(&self) -> bool {
        self.input_over && self.is_idle()
    }

    /// Reads once; end of file sets `ended`.
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
                self.session.receive(&scratch[..count]).map_err(CloseReason::Protocol)?;
                let after = self.session.counters();
                self.command_timeout.update(after != before, self.session.partial_command(), now);
                let free_commands = free_commands(after) - free_commands(before);
                // A short read has emptied the socket: no second call just for EAGAIN.
                Ok(Received { bytes: count, free_commands, more: count == scratch.len() })
            }
            Err(Errno::AGAIN) => Ok(Received::default()),
            Err(Errno::INTR) => Ok(Received { more: true, ..Received::default() }),
            Err(errno) => Err(CloseReason::of(errno)),
        }
    }

    /// The read list has reached it.
    pub(crate) fn unlist_read(&mut self) {
        self.listed.read = false;
    }

    /// Takes its part of a grant, and returns how much that is.
    pub(crate) fn grant(&mut self, offered: u64) -> u64 {
        let bytes = offered.min(self.enqueued);
        self.enqueued -= bytes;
        if let Some(read) = &mut self.non_blocking {
            read.grant(bytes);
            if self.enqueued == 0 {
                self.answer_non_blocking_read();
            }
        } else {
            self.session.grant(bytes);
        }
        bytes
    }

    /// Withdraws its demand from the tree: the session has it again. A 0x01 that was granted something is answered with
    /// that.
    pub(crate) fn withdraw_demand(&mut self, tree: &mut Tree, leaf: NodeId, now: Tick) {
        if self.enqueued > 0 {
            tree.cancel(leaf, self.enqueued, now);
            self.enqueued = 0;
        }
        if self.non_blocking.is_some_and(NonBlockingRead::has_bytes) {
            self.answer_non_blocking_read();
        }
        self.non_blocking = None;
    }

    /// Answers its 0x01, which has waited as long as it may, with the bytes granted so far. Its leaf keeps its place, since
    /// the client is likely to ask again.
    pub(crate) fn end_non_blocking_read(&mut self, tree: &mut Tree, leaf: NodeId, now: Tick) {
        if self.non_blocking.is_some() {
            tree.postpone(leaf, std::mem::take(&mut self.enqueued), now);
            self.answer_non_blocking_read();
        }
    }

    fn answer_non_blocking_read(&mut self) {
        if let Some(read) = self.non_blocking.take() {
            self.session.answer_non_blocking(read.granted());
        }
    }

    /// By when its 0x01 is answered; `None` if none is in the tree.
    pub(crate) fn non_blocking_due(&self) -> Option<Tick> {
        self.non_blocking.map(NonBlockingRead::due)
    }

    /// As [`non_blocking_due`](Self::non_blocking_due), but `None` if it is on the list of these.
    pub(crate) fn list_non_blocking_read(&mut self) -> Option<Tick> {
        let due = self.non_blocking_due().filter(|_| !self.listed.non_blocking)?;
        self.listed.non_blocking = true;
        Some(due)
    }

    /// It is no longer on that list.
    pub(crate) fn unlist_non_blocking_read(&mut self) {
        self.listed.non_blocking = false;
    }

    /// Reserves what was granted: the supply cannot be drawn below it for others.
    pub(crate) fn reserve(&mut self, supply: &mut Supply) {
        let granted = self.granted();
        supply.reserve(granted.saturating_sub(self.reserved));
        self.reserved = self.reserved.max(granted);
    }

    /// Releases to others the bytes that it cannot take now, or never will.
    pub(crate) fn release(&mut self, supply: &mut Supply) {
        supply.release(std::mem::take(&mut self.reserved));
    }

    /// Reserves the same number of bytes in a new supply.
    pub(crate) fn reserve_again(&mut self, supply: &mut Supply) {
        supply.reserve(self.reserved);
    }

    /// Bytes granted and not written, those of a pending 0x01 included.
    fn granted(&self) -> u64 {
        self.unwritten() + self.non_blocking.map_or(0, |read| u64::from(read.granted()))
    }

    fn unwritten(&self) -> u64 {
        self.session.random_pending()
    }

    /// Whether enough bytes are granted and unwritten that they should be written now.
    pub(crate) fn is_window_full(&self) -> bool {
        self.unwritten() >= WINDOW
    }

    /// The peer has read: writing may continue.
    pub(crate) fn set_writable(&mut self) {
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

/// Commands that are answered without a grant, or only with bytes available at once.
fn free_commands(counters: egd::SessionCounters) -> u64 {
    counters.level + counters.non_blocking + counters.write + counters.pid
}

#[cfg(test)]
mod tests;
