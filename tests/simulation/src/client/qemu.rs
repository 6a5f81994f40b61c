//! QEMU's `rng-egd` with a guest in front of it: it never repeats a request, takes what comes up to what it waits for,
//! reads nothing when it waits for nothing, and connects again a second after its connection has ended.

use htb::Tick;

use super::{Peer, Scope};
use crate::violation::{Check, MILLISECOND, SECOND};

/// What a read may wait after a crash.
const LONGEST: u64 = 2_500 * MILLISECOND;
/// What a read may wait that no crash came into: the debts of those who were pushed something on credit.
const PROMPT: u64 = 500 * MILLISECOND;

/// What a guest reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Bytes of one read.
    pub(crate) size: u64,
    /// Nanoseconds between two reads.
    pub(crate) gap: u64,
    /// It asks for less than it is assured: every read has to be prompt.
    pub(crate) paced: bool,
}

/// One QEMU.
#[derive(Debug)]
pub(crate) struct Qemu {
    pub(crate) peer: Peer,
    guest: Guest,
    /// What its guest still waits for, and since when.
    pub(crate) waits: u64,
    asked: Tick,
    /// When it reads next, and when it connects next.
    next_read: Tick,
    next_connect: Tick,
    pub(crate) reads: u64,
    pub(crate) longest: u64,
}

impl Qemu {
    pub(crate) fn new(peer: Peer, guest: Guest, now: Tick) -> Self {
        let (waits, reads, longest) = (0, 0, 0);
        Self { peer, guest, waits, asked: now, next_read: now, next_connect: now, reads, longest }
    }

    pub(super) fn act(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut did = self.mind_the_line(scope.now);
        if self.waits == 0 && self.next_read <= scope.now && !scope.closing {
            self.begin(scope.now)?;
            did = true;
        }
        did |= self.take(scope)?;
        Ok(did)
    }

    pub(super) fn next(&self) -> Option<Tick> {
        let connect = self.peer.wire.is_none().then_some(self.next_connect);
        let read = (self.waits == 0).then_some(self.next_read);
        connect.into_iter().chain(read).min()
    }

    /// Whether it has a connection that has not ended.
    pub(crate) fn is_connected(&self) -> bool {
        self.peer.wire.as_ref().is_some_and(|wire| !wire.has_hung_up())
    }

    /// Whether a read has waited longer than it may.
    pub(crate) fn is_patient(&self, scope: &Scope<'_>) -> Result<(), Check> {
        if self.waits == 0 || !self.guest.paced {
            return Ok(());
        }
        // Whoever reads while its QEMU is not connected yet waits for that as well.
        let most = if self.asked < scope.calm.after(LONGEST) { LONGEST } else { PROMPT };
        let waited = scope.now.since(self.asked.max(scope.calm));
        if waited <= most {
            return Ok(());
        }
        let Self { waits, guest, .. } = self;
        let waited = waited / MILLISECOND;
        let what =
            format!("client {} waits {waited} ms for {waits} of {} bytes", self.peer.number, guest.size);
        Err(("P3", what))
    }

    fn mind_the_line(&mut self, now: Tick) -> bool {
        match &self.peer.wire {
            Some(wire) if wire.has_hung_up() => {
                self.peer.hang_up();
                self.next_connect = now.after(SECOND);
                true
            }
            None if self.next_connect <= now => {
                self.next_connect = now.after(SECOND);
                self.peer.connect();
                true
            }
            _ => false,
        }
    }

    /// Its guest reads. Where there is no connection the request is lost, and remembered as made.
    fn begin(&mut self, now: Tick) -> Result<(), Check> {
        (self.waits, self.asked) = (self.guest.size, now);
        let Some(wire) = &self.peer.wire else { return Ok(()) };
        let mut rest = self.waits;
        while rest > 0 {
            let piece = u8::try_from(rest).unwrap_or(u8::MAX);
            rest -= u64::from(piece);
            if wire.send(&[2, piece]) == Some(0) {
                // It would wait in `write`, and its machine with it.
                return Err(("QEMU", format!("client {} is frozen: its socket is full", self.peer.number)));
            }
        }
        Ok(())
    }

    fn take(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut space = [0; 4096];
        let mut did = false;
        while self.waits > 0 {
            let most = space.len().min(usize::try_from(self.waits).unwrap_or(usize::MAX));
            let Some(count) = self.peer.wire.as_ref().and_then(|wire| wire.receive(&mut space[..most]))
            else {
                return Ok(did);
            };
            if count == 0 {
                return Ok(did);
            }
            did = true;
            self.peer.got(&space[..count], scope)?;
            self.waits -= count as u64;
            if self.waits == 0 {
                self.end(scope.now);
            }
        }
        Ok(did)
    }

    fn end(&mut self, now: Tick) {
        self.reads += 1;
        if self.guest.paced {
            self.longest = self.longest.max(now.since(self.asked));
        }
        self.next_read = now.after(self.guest.gap);
    }
}
