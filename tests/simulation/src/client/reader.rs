//! A client that reads by 0x01, again and again: what its VM is assured is due to it as to one that reads by 0x02.

use htb::Tick;

use super::{Peer, Scope};
use crate::violation::{Check, MILLISECOND};

/// How long an answer may take: two turns of 100 ms, should there be a hand-over between them, and its pauses.
const LONGEST: u64 = 500 * MILLISECOND;

/// Who waits for longer than this is not served less than others, but not at all.
const OVERDUE: u64 = 200 * MILLISECOND;

/// Before it asks again, and before it connects again.
const PAUSE: u64 = 5 * MILLISECOND;
const AWAY: u64 = 100 * MILLISECOND;

/// What of an answer is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Count,
    Random(u8),
}

/// One such client.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) peer: Peer,
    /// Bytes of one read.
    size: u8,
    due: Due,
    asked: Tick,
    next: Tick,
}

impl Reader {
    pub(crate) fn new(peer: Peer, size: u8, now: Tick) -> Self {
        Self { peer, size, due: Due::Nothing, asked: now, next: now }
    }

    pub(super) fn next(&self) -> Option<Tick> {
        (self.due == Due::Nothing).then_some(self.next)
    }

    /// Whether it has asked, or is about to do so again.
    pub(crate) fn is_asking(&self, now: Tick) -> bool {
        let asks = if self.due == Due::Nothing { self.next > now } else { now.since(self.asked) <= OVERDUE };
        self.peer.wire.is_some() && asks
    }

    pub(super) fn act(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut did = self.read(scope)?;
        if self.due == Due::Nothing && self.next <= scope.now && !scope.closing {
            self.ask(scope.now);
            did = true;
        }
        if self.due != Due::Nothing && scope.now.since(self.asked.max(scope.calm)) > LONGEST {
            let waited = scope.now.since(self.asked) / MILLISECOND;
            return Err((
                "P3",
                format!("client {} waits {waited} ms for an answer to 0x01", self.peer.number),
            ));
        }
        Ok(did)
    }

    fn ask(&mut self, now: Tick) {
        self.next = now.after(AWAY);
        if self.peer.wire.is_none() && !self.peer.connect() {
            return;
        }
        let sent = self.peer.wire.as_ref().and_then(|wire| wire.send(&[1, self.size]));
        if sent == Some(2) {
            (self.due, self.asked) = (Due::Count, now);
        } else {
            self.hang_up();
        }
    }

    fn hang_up(&mut self) {
        self.peer.hang_up();
        self.due = Due::Nothing;
    }

    fn read(&mut self, scope: &mut Scope<'_>) -> Result<bool, Check> {
        let mut space = [0; 512];
        let mut did = false;
        while let Some(wire) = &self.peer.wire {
            match wire.receive(&mut space) {
                Some(0) => break,
                Some(count) => self.parse(&space[..count], scope)?,
                None => {
                    self.hang_up();
                    self.next = scope.now.after(AWAY);
                }
            }
            did = true;
        }
        Ok(did)
    }

    fn parse(&mut self, mut bytes: &[u8], scope: &mut Scope<'_>) -> Result<(), Check> {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.due {
                Due::Count if first <= self.size => {
                    self.due = Due::Random(first);
                    self.next = scope.now.after(PAUSE);
                    bytes = rest;
                }
                Due::Random(left @ 1..) => {
                    let (random, after) = bytes.split_at(bytes.len().min(left.into()));
                    self.peer.got(random, scope)?;
                    self.due = Due::Random(left - u8::try_from(random.len()).expect("at most what was left"));
                    bytes = after;
                }
                _ => {
                    let what = format!("client {}: an answer that it did not ask for", self.peer.number);
                    return Err(("EGD", what));
                }
            }
            if self.due == Due::Random(0) {
                self.due = Due::Nothing;
            }
        }
        Ok(())
    }
}
