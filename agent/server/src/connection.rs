//! One connection: a socket, the protocol's state, and what it has in the tree.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use egd::{Demand, Output, Session, Violation};
use htb::{NodeId, Tick, Tree};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use source::{DrawError, Supply};

use crate::slab::Key;

/// What is granted and not written stays below this and one grant: so a peer that stops reading has not used
/// up more of its pool.
const WINDOW: u64 = 4096;

/// The most of one connection's demand that stands in the tree at once, so that one of four cannot fill the
/// leaf's backlog to the brim.
const MAX_ENQUEUED: u64 = htb::MAX_OWED / 4;

/// As many stretches as a session ever has pending.
const SLICES: usize = 8;

#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    pub(crate) vm: Key,
    session: Session,
    /// How much of the leaf's backlog is this connection's.
    enqueued: u64,
    /// The 0x01 at the head stands in the tree, and has got so much so far.
    asking: Option<u8>,
    /// The last write went through.
    writable: bool,
    /// The peer sends no more. It may still read.
    pub(crate) ended: bool,
    pub(crate) listed: Listed,
}

/// The plane's lists that a connection is on, so that it is on each once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listed {
    /// Those that may have sent something.
    pub(crate) read: bool,
    /// Those that have something to be written.
    pub(crate) write: bool,
    /// Those whose 0x01 is decided when nobody can be granted more.
    pub(crate) settle: bool,
}

/// Why a connection is closed before its peer closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Garbage(Violation),
    #[error("the peer has gone, and left something unread")]
    Gone,
    #[error("{0}")]
    Broken(Errno),
}

impl Fault {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Garbage(violation) => violation.reason(),
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

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything that was pending has gone.
    All,
    /// The peer must read first.
    Blocked,
}

/// What asking left to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// More stands in the tree than before.
    pub(crate) enqueued: bool,
    /// There is something to write.
    pub(crate) answered: bool,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd, vm: Key) -> Self {
        Self {
            socket,
            vm,
            session: Session::new(),
            enqueued: 0,
            asking: None,
            writable: true,
            ended: false,
            listed: Listed::default(),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn wants(&self) -> bool {
        self.enqueued > 0
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Nothing is owed, asked or left to write.
    pub(crate) fn is_quiet(&self) -> bool {
        self.session.demand() == Demand::None && self.session.next_output().is_none()
    }

    /// Reads once. True if there may be more; end of file is noted in `ended`.
    pub(crate) fn receive(&mut self, scratch: &mut [u8]) -> Result<bool, Fault> {
        match recv(&self.socket, &mut *scratch, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => {
                self.ended = true;
                Ok(false)
            }
            Ok((_, count)) => {
                let count = count.min(scratch.len());
                self.session.receive(&scratch[..count]).map_err(Fault::Garbage)?;
                // A short read has emptied the socket: no second call only to hear EAGAIN.
                Ok(count == scratch.len())
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(Fault::of(errno)),
        }
    }

    /// Brings what the session demands into the tree, and answers what needs no byte of it.
    pub(crate) fn ask(&mut self, tree: &mut Tree, leaf: NodeId, now: Tick, supply: &Supply) -> Asked {
        let mut asked = Asked::default();
        while self.writable && self.asking.is_none() {
            match self.session.demand() {
                Demand::Blocking(owed) => {
                    let more = owed.min(MAX_ENQUEUED).saturating_sub(self.enqueued);
                    if more > 0 {
                        let added = tree.enqueue(leaf, more, now);
                        self.enqueued += added;
                        asked.enqueued |= added > 0;
                    }
                    break;
                }
                // The rest is decided by an answer, which takes room.
                Demand::None => break,
                _ if self.session.backlog_full() => break,
                Demand::NonBlocking(bytes) => {
                    self.enqueued = tree.enqueue(leaf, bytes.into(), now);
                    self.asking = Some(0);
                    if self.enqueued == 0 {
                        self.answer();
                        asked.answered = true;
                    } else {
                        asked.enqueued = true;
                    }
                }
                Demand::Level => {
                    self.session.answer_level(tree.available(leaf, now).min(supply.level()));
                    asked.answered = true;
                }
                Demand::Pid => {
                    self.session.answer_pid(std::process::id());
                    asked.answered = true;
                }
            }
        }
        asked
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

    /// Writes all that is pending, as far as the peer's buffer goes.
    pub(crate) fn flush(&mut self, supply: &mut Supply) -> Result<Flushed, Fault> {
        while self.writable && self.session.next_output().is_some() {
            match self.write(supply) {
                Ok(sent) => self.session.written(sent),
                // What was granted waits: the tree grants no more than there is, so this is a pool whose bytes were
                // voided in between.
                Err(DrawError::Empty) => break,
                Err(DrawError::Take(error)) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => self.writable = false,
                    errno => return Err(Fault::of(errno.unwrap_or(Errno::IO))),
                },
            }
        }
        Ok(if self.writable { Flushed::All } else { Flushed::Blocked })
    }

    /// One system call, with as much as it can carry.
    fn write(&self, supply: &mut Supply) -> Result<usize, DrawError> {
        let mut outputs = self.session.outputs();
        // What QEMU asks for, and so what has to be quick.
        if let (Some(Output::Random(count)), None) = (outputs.next(), outputs.next()) {
            let wanted = usize::try_from(count.min(WINDOW)).unwrap_or(0);
            return supply.with_bytes(wanted, |bytes| Ok(send(&self.socket, bytes, SendFlags::NOSIGNAL)?));
        }
        let wanted = usize::try_from(self.unwritten().min(WINDOW)).unwrap_or(0);
        let mut sent = 0;
        supply.with_bytes(wanted, |bytes| {
            let (slices, count) = gather(&self.session, bytes);
            let mut control = SendAncillaryBuffer::default();
            sent = sendmsg(&self.socket, &slices[..count], &mut control, SendFlags::NOSIGNAL)?;
            Ok(random_within(&self.session, sent))
        })?;
        Ok(sent)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The pending stretches in order, the random ones cut from `random`, up to where that ends.
fn gather<'a>(session: &'a Session, mut random: &'a [u8]) -> ([IoSlice<'a>; SLICES], usize) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, output) in slices.iter_mut().zip(session.outputs()) {
        count += 1;
        match output {
            Output::Literal(bytes) => *slice = IoSlice::new(bytes),
            Output::Random(wanted) => {
                let here = usize::try_from(wanted).unwrap_or(usize::MAX).min(random.len());
                let (bytes, rest) = random.split_at(here);
                (*slice, random) = (IoSlice::new(bytes), rest);
                if (here as u64) < wanted {
                    break;
                }
            }
        }
    }
    (slices, count)
}

/// How many of the first `sent` pending bytes are random ones.
fn random_within(session: &Session, mut sent: usize) -> usize {
    let mut random = 0;
    for output in session.outputs() {
        let (length, is_random) = match output {
            Output::Literal(bytes) => (bytes.len(), false),
            Output::Random(count) => (usize::try_from(count).unwrap_or(usize::MAX), true),
        };
        let here = length.min(sent);
        sent -= here;
        random += if is_random { here } else { 0 };
    }
    random
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // A thousand VMs that ask share the cache with their leaves and the kernel's sockets.
    const _: () = assert!(size_of::<Connection>() <= 640);

    /// Five random bytes, a count of three and its bytes, a count of zero.
    fn session() -> Session {
        let mut session = Session::new();
        session.receive(&[2, 5, 1, 3, 1, 0]).unwrap();
        session.grant(5);
        session.answer_non_blocking(3);
        session.answer_non_blocking(0);
        session
    }

    fn flat(session: &Session, random: &[u8]) -> Vec<u8> {
        let (slices, count) = gather(session, random);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn random_bytes_are_cut_in_among_literals() {
        assert_eq!(
            flat(&session(), &[10, 11, 12, 13, 14, 15, 16, 17]),
            [10, 11, 12, 13, 14, 3, 15, 16, 17, 0]
        );
    }

    #[test]
    fn nothing_is_gathered_beyond_the_random_bytes_there_are() {
        assert_eq!(flat(&session(), &[10, 11]), [10, 11]);
        assert_eq!(flat(&session(), &[10, 11, 12, 13, 14]), [10, 11, 12, 13, 14, 3]);
    }

    #[test]
    fn of_a_short_write_only_the_random_bytes_count() {
        let session = session();
        let random: Vec<usize> = (0..=10).map(|sent| random_within(&session, sent)).collect();
        assert_eq!(random, [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 8]);
    }
}
