//! Bytes that nobody asked for: what heals a QEMU whose request went down with the last connection.
//!
//! QEMU remembers such a request and never repeats it, so that a read in its guest would hang. It takes whatever
//! comes, up to what it waits for. So a new connection is pushed some bytes; if they are read, it was waiting, and
//! is pushed more; if they stay unread, it was not, and its next request finds them there.

use egd::Session;
use htb::{MAX_GRANT, Tick};

/// Bytes pushed at once: what a Linux guest asks for.
const PUSH: u64 = 64;

/// How long a peer may take to read what it was waiting for: 50 ms.
const LOOK: u64 = 50_000_000;

/// How long a VM that was given credit waits for the next, at least: a second.
const CREDIT_AGAIN: u64 = 1_000_000_000;

/// The push phase of one connection. It ends, for good, when the peer asks for something or leaves something unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsolicited {
    over: bool,
    /// When to look at it.
    due: Tick,
    /// Bytes that may still be pushed without tokens.
    credit: u64,
}

/// What can be seen of a connection and its VM when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketObservation {
    /// The peer has not read all that it was sent.
    pub(crate) unread: bool,
    /// When every ceil above the VM lets something through: now or later.
    pub(crate) open: Tick,
    /// Bytes that the pool has.
    pub(crate) supply: u64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushDecision {
    /// Push so many bytes, and say how many went.
    Push(u64),
    /// Look again at this instant.
    WaitUntil(Tick),
    /// Never look again.
    Done,
}

impl Unsolicited {
    /// For a peer that is pushed nothing.
    pub(crate) const fn never() -> Self {
        Self { over: true, due: Tick(0), credit: 0 }
    }

    /// For a peer that has connected just now.
    pub(crate) const fn new(now: Tick, credit: u64) -> Self {
        Self { over: false, due: now, credit }
    }

    /// The peer has said something: it knows what it wants, and perhaps could not tell these bytes from an answer.
    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// When it is to be looked at, if ever.
    pub(crate) fn due(&self) -> Option<Tick> {
        (!self.over).then_some(self.due)
    }

    /// Looks at a connection.
    pub(crate) fn step(&mut self, sight: SocketObservation, now: Tick) -> PushDecision {
        self.over |= sight.unread;
        if self.over {
            return PushDecision::Done;
        }
        if now < self.due {
            return PushDecision::WaitUntil(self.due);
        }
        let bytes = if sight.open <= now { PUSH } else { self.credit.min(PUSH) };
        if bytes == 0 {
            self.due = sight.open;
        } else if bytes > sight.supply {
            self.due = now.after(LOOK);
        } else {
            return PushDecision::Push(bytes);
        }
        PushDecision::WaitUntil(self.due)
    }

    /// What is left of the phase: when to look, and what may be had on credit.
    pub(crate) fn left(&self) -> Option<(Tick, u64)> {
        (!self.over).then_some((self.due, self.credit))
    }

    /// So many bytes went.
    pub(crate) fn pushed(&mut self, bytes: u64, now: Tick) {
        self.credit = self.credit.saturating_sub(bytes);
        self.due = now.after(LOOK);
    }
}

/// What one VM may be pushed though it has no tokens: one request's worth, and not to every connection that it makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credit {
    again: Tick,
}

impl Credit {
    /// That of a VM which had some before.
    pub(crate) fn until(again: Tick) -> Self {
        Self { again }
    }

    /// When there is some again.
    pub(crate) fn again(self) -> Tick {
        self.again
    }

    /// Bytes that a connection made now may be pushed without tokens.
    pub(crate) fn take(&mut self, now: Tick) -> u64 {
        if now < self.again {
            return 0;
        }
        self.again = now.after(CREDIT_AGAIN);
        MAX_GRANT
    }

    /// Some of it was used. In so many nanoseconds the VM's share of what its ceils let through has paid for it: one
    /// that connects all the time draws no more than that, and leaves the others theirs.
    pub(crate) fn used(&mut self, now: Tick, paid_back: u64) {
        self.again = self.again.max(now.after(paid_back));
    }
}

/// How a peer has spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientBehaviour {
    /// Not at all.
    #[default]
    Silent,
    /// By 0x02 and nothing else, as QEMU does. It counts bytes, so that more of them do it no harm.
    Reads,
    /// Otherwise too. Bytes that it did not ask for it would take for an answer.
    Other,
}

impl ClientBehaviour {
    pub(crate) fn of(session: &Session) -> Self {
        if session.other_commands() {
            Self::Other
        } else if session.only_blocking_reads() {
            Self::Reads
        } else {
            Self::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000_000);

    fn at(milliseconds: u64) -> Tick {
        START.after(milliseconds * 1_000_000)
    }

    /// A peer that has read everything, of a VM that has tokens and a pool that has bytes.
    fn plenty() -> SocketObservation {
        SocketObservation { unread: false, open: Tick(0), supply: u64::MAX }
    }

    fn closed_until(open: Tick) -> SocketObservation {
        SocketObservation { open, ..plenty() }
    }

    /// Looks, pushes all that may be pushed, and gives what that was.
    fn push(unsolicited: &mut Unsolicited, sight: SocketObservation, now: Tick) -> Option<u64> {
        match unsolicited.step(sight, now) {
            PushDecision::Push(bytes) => {
                unsolicited.pushed(bytes, now);
                Some(bytes)
            }
            PushDecision::WaitUntil(_) | PushDecision::Done => None,
        }
    }

    #[test]
    fn a_new_connection_is_pushed_bytes_at_once() {
        let mut unsolicited = Unsolicited::new(START, 0);
        assert_eq!(unsolicited.due(), Some(START));
        assert_eq!(push(&mut unsolicited, plenty(), START), Some(64));
        assert_eq!(unsolicited.due(), Some(at(50)));
    }

    #[test]
    fn a_peer_that_reads_all_is_pushed_more_each_50_ms() {
        let mut unsolicited = Unsolicited::new(START, 0);
        for turn in 0..100 {
            assert_eq!(push(&mut unsolicited, plenty(), at(turn * 50)), Some(64));
            assert_eq!(
                unsolicited.step(plenty(), at(turn * 50 + 49)),
                PushDecision::WaitUntil(at(turn * 50 + 50))
            );
        }
    }

    #[test]
    fn a_peer_that_leaves_some_unread_is_never_looked_at_again() {
        let mut unsolicited = Unsolicited::new(START, 255);
        push(&mut unsolicited, plenty(), START);
        assert_eq!(
            unsolicited.step(SocketObservation { unread: true, ..plenty() }, at(50)),
            PushDecision::Done
        );
        assert_eq!(unsolicited.due(), None);
        assert_eq!(unsolicited.step(plenty(), at(1000)), PushDecision::Done, "also once it has read them");
    }

    #[test]
    fn a_peer_that_asks_is_never_pushed_again() {
        let mut unsolicited = Unsolicited::new(START, 255);
        push(&mut unsolicited, plenty(), START);
        unsolicited.end();
        assert_eq!((unsolicited.due(), unsolicited.step(plenty(), at(50))), (None, PushDecision::Done));
    }

    #[test]
    fn a_peer_that_takes_no_unasked_bytes_gets_none() {
        let mut never = Unsolicited::never();
        assert_eq!((never.due(), never.step(plenty(), START)), (None, PushDecision::Done));
    }

    #[test]
    fn without_tokens_the_credit_goes_first_and_then_it_waits() {
        let (mut unsolicited, open) = (Unsolicited::new(START, 255), at(10_000));
        let sight = closed_until(open);
        let pushed: Vec<_> = (0..4)
            .map(|turn| push(&mut unsolicited, sight, at(turn * 50)))
            .map(Option::unwrap_or_default)
            .collect();
        assert_eq!(pushed, [64, 64, 64, 63]);
        assert_eq!(unsolicited.step(sight, at(200)), PushDecision::WaitUntil(open));
        assert_eq!(unsolicited.due(), Some(open));
        assert_eq!(push(&mut unsolicited, plenty(), open), Some(64));
    }

    #[test]
    fn only_the_first_bytes_are_on_credit_whoever_paid_for_them() {
        let mut unsolicited = Unsolicited::new(START, 255);
        for turn in 0..4 {
            push(&mut unsolicited, plenty(), at(turn * 50));
        }
        let open = at(400);
        assert_eq!(unsolicited.step(closed_until(open), at(200)), PushDecision::WaitUntil(open));
    }

    #[test]
    fn without_credit_or_tokens_nothing_is_pushed() {
        let open = at(700);
        assert_eq!(Unsolicited::new(START, 0).step(closed_until(open), START), PushDecision::WaitUntil(open));
    }

    #[test]
    fn a_pool_without_bytes_is_asked_again() {
        let mut unsolicited = Unsolicited::new(START, 255);
        let sight = SocketObservation { supply: 63, ..plenty() };
        assert_eq!(unsolicited.step(sight, START), PushDecision::WaitUntil(at(50)));
        assert_eq!(push(&mut unsolicited, plenty(), at(50)), Some(64));
    }

    #[test]
    fn a_push_of_which_nothing_went_is_tried_again_and_costs_no_credit() {
        let mut unsolicited = Unsolicited::new(START, 255);
        assert_eq!(unsolicited.step(plenty(), START), PushDecision::Push(64));
        unsolicited.pushed(0, START);
        assert_eq!(unsolicited, Unsolicited { due: at(50), ..Unsolicited::new(START, 255) });
    }

    #[test]
    fn a_vm_that_connects_all_the_time_gets_credit_once_a_second() {
        let mut credit = Credit::default();
        let given: u64 = (0..10_000).map(|millisecond| credit.take(at(millisecond))).sum();
        assert_eq!(given, 10 * 255);
    }

    #[test]
    fn a_vm_whose_share_is_small_gets_credit_when_it_has_paid_for_the_last() {
        let mut credit = Credit::default();
        let given = |millisecond| {
            let bytes = credit.take(at(millisecond));
            (0..bytes.min(1)).for_each(|_| credit.used(at(millisecond), 4 * CREDIT_AGAIN));
            bytes
        };
        assert_eq!((0..10_000).map(given).sum::<u64>(), 3 * 255);
    }
}
