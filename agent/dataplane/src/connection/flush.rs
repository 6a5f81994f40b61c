//! Writing: random bytes are copied straight from the pool's buffer to the socket.

use std::io::{self, IoSlice};

use egd::{Reply, Session};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use source::{DrawError, Supply};

use super::{CloseReason, Connection, WINDOW};

/// The most outputs that a session has pending.
const SLICES: usize = 8;

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything pending was written.
    All,
    /// The peer must read first.
    Blocked,
    /// The supply has no bytes for what was granted, until it wakes the loop.
    Dry,
}

impl Connection {
    /// Writes everything pending, as far as the peer's buffer has room; with `degraded`, bytes of a degraded supply too.
    pub(crate) fn flush(&mut self, supply: &mut Supply, degraded: bool) -> Result<Flushed, CloseReason> {
        self.reserve(supply);
        while self.writable && self.session.next_reply().is_some() {
            match self.write(supply, degraded) {
                Ok(sent) => {
                    self.session.written(sent);
                    // The supply has released what was drawn.
                    self.reserved = self.granted();
                }
                // The tree grants no more than there is: the pool's bytes were discarded since, or have become degraded.
                Err(DrawError::Empty) => return Ok(Flushed::Dry),
                Err(DrawError::Take(error)) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => self.writable = false,
                    errno => return Err(CloseReason::of(errno.unwrap_or(Errno::IO))),
                },
            }
        }
        Ok(if self.writable { Flushed::All } else { Flushed::Blocked })
    }

    /// Sends unsolicited bytes, before any request, and returns how many were sent.
    pub(crate) fn push(&self, supply: &mut Supply, degraded: bool, bytes: u64) -> Result<u64, CloseReason> {
        debug_assert!(self.session.next_reply().is_none(), "a push after a request");
        let wanted = usize::try_from(bytes).unwrap_or(0);
        let take = |bytes: &[u8]| Ok(send(&self.socket, bytes, SendFlags::NOSIGNAL)?);
        // Drawing releases, so the bytes are reserved first; those not drawn are released here.
        supply.reserve(bytes);
        let drawn = draw(supply, degraded, wanted, take);
        let sent = drawn.as_ref().map_or(0, |sent| *sent as u64);
        supply.release(bytes - sent);
        match drawn {
            Ok(_) | Err(DrawError::Empty) => Ok(sent),
            Err(DrawError::Take(error)) => match Errno::from_io_error(&error) {
                Some(Errno::INTR | Errno::AGAIN) => Ok(sent),
                errno => Err(CloseReason::of(errno.unwrap_or(Errno::IO))),
            },
        }
    }

    /// One system call, with as much as it can take.
    fn write(&self, supply: &mut Supply, degraded: bool) -> Result<usize, DrawError> {
        let mut outputs = self.session.replies();
        // The fast path: QEMU only ever causes this.
        if let (Some(Reply::Random(count)), None) = (outputs.next(), outputs.next()) {
            let wanted = usize::try_from(count.min(WINDOW)).unwrap_or(0);
            let take = |bytes: &[u8]| Ok(send(&self.socket, bytes, SendFlags::NOSIGNAL)?);
            return draw(supply, degraded, wanted, take);
        }
        let wanted = usize::try_from(self.unwritten().min(WINDOW)).unwrap_or(0);
        let mut sent = 0;
        draw(supply, degraded, wanted, |bytes| {
            let (slices, count) = gather(&self.session, bytes);
            let mut control = SendAncillaryBuffer::default();
            sent = sendmsg(&self.socket, &slices[..count], &mut control, SendFlags::NOSIGNAL)?;
            Ok(random_within(&self.session, sent))
        })?;
        Ok(sent)
    }
}

fn draw(
    supply: &mut Supply,
    degraded: bool,
    wanted: usize,
    take: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> Result<usize, DrawError> {
    if degraded { supply.with_bytes(wanted, take) } else { supply.with_promised_bytes(wanted, take) }
}

/// The pending outputs in order, the random ones cut from `random`, up to where that ends.
fn gather<'a>(session: &'a Session, mut random: &'a [u8]) -> ([IoSlice<'a>; SLICES], usize) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, output) in slices.iter_mut().zip(session.replies()) {
        count += 1;
        match output {
            Reply::Literal(bytes) => *slice = IoSlice::new(bytes),
            Reply::Random(wanted) => {
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

/// How many of the first `sent` pending bytes are random.
fn random_within(session: &Session, mut sent: usize) -> usize {
    let mut random = 0;
    for output in session.replies() {
        let (length, is_random) = match output {
            Reply::Literal(bytes) => (bytes.len(), false),
            Reply::Random(count) => (usize::try_from(count).unwrap_or(usize::MAX), true),
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
    fn random_bytes_are_inserted_between_literals() {
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
