//! Unsolicited bytes: what unblocks a QEMU whose request was lost with its last connection.
//!
//! QEMU remembers such a request and never repeats it, so that a read in its guest would hang. It accepts whatever
//! arrives, up to the number of bytes it waits for. So a new connection that stays silent is pushed some bytes. If they are
//! read, QEMU was waiting, and is pushed more; if they stay unread, it was not, and they answer its next request.
//!
//! Any other client would take them for the answer to its next request. Who is pushed something is decided by docs/adr/0023.

use ::clock::{RateLimit, RateLimiter};
use egd::Session;
use htb::{MAX_GRANT, Tick};

/// Bytes pushed at once: what a Linux guest requests.
const PUSH: u64 = 64;

/// How long a peer may take to read what it was waiting for: 50 ms.
const PUSH_INTERVAL: u64 = 50_000_000;

/// How long a new connection has to be silent: clients other than QEMU send their first request as soon as they have
/// connected.
const SILENCE: u64 = PUSH_INTERVAL;

/// Pushes to one VM, over all its connections: as many as a single one gets.
const PUSHES: RateLimit = RateLimit::per_second(1_000_000_000 / PUSH_INTERVAL, 4);

/// What a VM is pushed until it sends a request again, over all its connections: four pages. A guest waits for one request
/// of its driver, which is 64 bytes on most machines and a page at most.
const MAX_PUSHED: u64 = 16 * 1024;

/// A VM gets credit at most this often: once a second.
const CREDIT_INTERVAL: u64 = 1_000_000_000;

/// The push phase of one connection. It ends for good when the peer sends a request or leaves something unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsolicited {
    over: bool,
    /// It was silent for long enough, and may be pushed something.
    begun: bool,
    /// When the next push is due.
    due: Tick,
    /// Bytes that may still be pushed without tokens.
    credit: u64,
}

/// The state of a connection and its VM when a push is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketObservation {
    /// The peer has not read everything that it was sent.
    pub(crate) unread: bool,
    /// When every ceil above the VM permits a grant: now or later.
    pub(crate) open: Tick,
    /// Bytes that the pool has for it.
    pub(crate) supply: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushDecision {
    /// Push this many bytes, and report with [`pushed`](Unsolicited::pushed) how many were sent.
    Push(u64),
    WaitUntil(Tick),
    /// The phase is over.
    Done,
}

impl Unsolicited {
    /// For a peer that is pushed nothing.
    pub(crate) const fn never() -> Self {
        Self { over: true, begun: false, due: Tick(0), credit: 0 }
    }

    /// For a peer that has just connected.
    pub(crate) const fn new(now: Tick) -> Self {
        Self::resume(now.after(SILENCE), 0)
    }

    /// Of a predecessor.
    pub(crate) const fn resume(due: Tick, credit: u64) -> Self {
        Self { over: false, begun: false, due, credit }
    }

    /// Whether it remains to be decided if the peer, which was silent for long enough, may be pushed something.
    pub(crate) fn is_to_begin(&self) -> bool {
        !self.over && !self.begun
    }

    /// The peer may be pushed something, and so much without tokens.
    pub(crate) fn begin(&mut self, credit: u64) {
        self.begun = true;
        self.credit = self.credit.max(credit);
    }

    /// The peer has sent a request, and might mistake further pushes for the answer.
    pub(crate) fn end(&mut self) {
        self.over = true;
    }

    /// When the next push is due; `None` once the phase is over.
    pub(crate) fn due(&self) -> Option<Tick> {
        (!self.over).then_some(self.due)
    }

    /// Decides what to push.
    pub(crate) fn step(&mut self, observation: SocketObservation, now: Tick) -> PushDecision {
        self.over |= observation.unread;
        if self.over {
            return PushDecision::Done;
        }
        if now < self.due {
            return PushDecision::WaitUntil(self.due);
        }
        let bytes = if observation.open <= now { PUSH } else { self.credit.min(PUSH) };
        if bytes == 0 {
            self.due = observation.open;
        } else if bytes > observation.supply {
            self.due = now.after(PUSH_INTERVAL);
        } else {
            return PushDecision::Push(bytes);
        }
        PushDecision::WaitUntil(self.due)
    }

    /// Its VM has been pushed as much as it may be at the moment.
    pub(crate) fn delay(&mut self, now: Tick) {
        self.due = now.after(PUSH_INTERVAL);
    }

    /// For hand-over: when the next push is due, and the bytes left on credit.
    pub(crate) fn state(&self) -> Option<(Tick, u64)> {
        (!self.over).then_some((self.due, self.credit))
    }

    /// This many bytes were sent.
    pub(crate) fn pushed(&mut self, bytes: u64, now: Tick) {
        self.credit = self.credit.saturating_sub(bytes);
        self.due = now.after(PUSH_INTERVAL);
    }
}

/// What one VM is pushed, over all its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PushLimiter {
    pushes: RateLimiter,
    /// Bytes since its last request.
    pushed: u64,
}

impl PushLimiter {
    /// The VM has sent something.
    pub(crate) fn reset(&mut self) {
        self.pushed = 0;
    }

    /// Whether it may be pushed anything at all.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.pushed >= MAX_PUSHED
    }

    /// Whether another push is due.
    pub(crate) fn admit(&mut self, now: Tick) -> bool {
        self.pushes.admit(PUSHES, now)
    }

    pub(crate) fn pushed(&mut self, bytes: u64) {
        self.pushed = self.pushed.saturating_add(bytes);
    }
}

/// What one VM may be pushed without tokens: one request's worth, and not to each connection that it makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credit {
    available_at: Tick,
}

impl Credit {
    /// The credit of a VM that gets its next one at this instant.
    pub(crate) fn from(available_at: Tick) -> Self {
        Self { available_at }
    }

    pub(crate) fn available_at(self) -> Tick {
        self.available_at
    }

    /// Bytes that a connection accepted now may be pushed without tokens.
    pub(crate) fn take(&mut self, now: Tick) -> u64 {
        if now < self.available_at {
            return 0;
        }
        self.available_at = now.after(CREDIT_INTERVAL);
        MAX_GRANT
    }

    /// Some of it was used, which the VM's share of its ceils pays back in `payback` nanoseconds: a VM that reconnects all
    /// the time draws no more than its share.
    pub(crate) fn spend(&mut self, now: Tick, payback: u64) {
        self.available_at = self.available_at.max(now.after(payback));
    }
}

/// Which commands a peer has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientBehaviour {
    /// None.
    #[default]
    Silent,
    /// Only 0x02, as QEMU does. It counts bytes, so that unsolicited ones do no harm.
    Reads,
    /// Others too. It would take unsolicited bytes for an answer.
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

    /// The push phase of a peer that has been silent for long enough.
    fn begun(now: Tick, credit: u64) -> Unsolicited {
        let mut unsolicited = Unsolicited::resume(now, 0);
        unsolicited.begin(credit);
        unsolicited
    }

    fn closed_until(open: Tick) -> SocketObservation {
        SocketObservation { open, ..plenty() }
    }

    /// Pushes all that may be pushed, and returns how much that was.
    fn push(unsolicited: &mut Unsolicited, observation: SocketObservation, now: Tick) -> Option<u64> {
        match unsolicited.step(observation, now) {
            PushDecision::Push(bytes) => {
                unsolicited.pushed(bytes, now);
                Some(bytes)
            }
            PushDecision::WaitUntil(_) | PushDecision::Done => None,
        }
    }

    #[test]
    fn a_new_connection_is_pushed_bytes_after_50_ms_of_silence() {
        let mut unsolicited = Unsolicited::new(START);
        assert_eq!((unsolicited.due(), unsolicited.is_to_begin()), (Some(at(50)), true));
        unsolicited.begin(0);
        assert!(!unsolicited.is_to_begin());
        assert_eq!(push(&mut unsolicited, plenty(), at(50)), Some(64));
        assert_eq!(unsolicited.due(), Some(at(100)));
    }

    #[test]
    fn a_vm_is_pushed_20_times_a_second_and_16_kib_until_it_sends_something() {
        let mut limiter = PushLimiter::default();
        let mut pushes = 0;
        for millisecond in 0..60_000 {
            // Four connections, each of which would be pushed something all the time.
            for _ in 0..4 {
                if !limiter.is_exhausted() && limiter.admit(at(millisecond)) {
                    limiter.pushed(64);
                    pushes += 1;
                }
            }
            assert!(pushes <= 4 + millisecond / 50, "{pushes} pushes in {millisecond} ms");
        }
        assert_eq!(pushes, 16 * 1024 / 64);
        limiter.reset();
        assert!(!limiter.is_exhausted());
    }

    #[test]
    fn a_peer_that_reads_all_is_pushed_more_each_50_ms() {
        let mut unsolicited = begun(START, 0);
        for turn in 0..100 {
            assert_eq!(push(&mut unsolicited, plenty(), at(turn * 50)), Some(64));
            assert_eq!(
                unsolicited.step(plenty(), at(turn * 50 + 49)),
                PushDecision::WaitUntil(at(turn * 50 + 50))
            );
        }
    }

    #[test]
    fn a_peer_that_leaves_some_unread_is_never_pushed_again() {
        let mut unsolicited = begun(START, 255);
        push(&mut unsolicited, plenty(), START);
        assert_eq!(
            unsolicited.step(SocketObservation { unread: true, ..plenty() }, at(50)),
            PushDecision::Done
        );
        assert_eq!(unsolicited.due(), None);
        assert_eq!(unsolicited.step(plenty(), at(1000)), PushDecision::Done, "even once it has read them");
    }

    #[test]
    fn a_peer_that_sends_a_request_is_never_pushed_again() {
        let mut unsolicited = begun(START, 255);
        push(&mut unsolicited, plenty(), START);
        unsolicited.end();
        assert_eq!((unsolicited.due(), unsolicited.step(plenty(), at(50))), (None, PushDecision::Done));
    }

    #[test]
    fn a_client_other_than_qemu_is_pushed_nothing() {
        let mut never = Unsolicited::never();
        assert_eq!((never.due(), never.step(plenty(), START)), (None, PushDecision::Done));
    }

    #[test]
    fn without_tokens_the_credit_goes_first_and_then_it_waits() {
        let (mut unsolicited, open) = (begun(START, 255), at(10_000));
        let observation = closed_until(open);
        let pushed: Vec<_> = (0..4)
            .map(|turn| push(&mut unsolicited, observation, at(turn * 50)))
            .map(Option::unwrap_or_default)
            .collect();
        assert_eq!(pushed, [64, 64, 64, 63]);
        assert_eq!(unsolicited.step(observation, at(200)), PushDecision::WaitUntil(open));
        assert_eq!(unsolicited.due(), Some(open));
        assert_eq!(push(&mut unsolicited, plenty(), open), Some(64));
    }

    #[test]
    fn only_the_first_bytes_are_on_credit_also_if_tokens_paid_for_them() {
        let mut unsolicited = begun(START, 255);
        for turn in 0..4 {
            push(&mut unsolicited, plenty(), at(turn * 50));
        }
        let open = at(400);
        assert_eq!(unsolicited.step(closed_until(open), at(200)), PushDecision::WaitUntil(open));
    }

    #[test]
    fn without_credit_or_tokens_nothing_is_pushed() {
        let open = at(700);
        assert_eq!(begun(START, 0).step(closed_until(open), START), PushDecision::WaitUntil(open));
    }

    #[test]
    fn a_push_is_retried_when_the_pool_has_no_bytes() {
        let mut unsolicited = begun(START, 255);
        let observation = SocketObservation { supply: 63, ..plenty() };
        assert_eq!(unsolicited.step(observation, START), PushDecision::WaitUntil(at(50)));
        assert_eq!(push(&mut unsolicited, plenty(), at(50)), Some(64));
    }

    #[test]
    fn a_push_that_sent_nothing_is_retried_and_costs_no_credit() {
        let mut unsolicited = begun(START, 255);
        assert_eq!(unsolicited.step(plenty(), START), PushDecision::Push(64));
        unsolicited.pushed(0, START);
        assert_eq!(unsolicited, Unsolicited { due: at(50), ..begun(START, 255) });
    }

    #[test]
    fn a_vm_that_reconnects_all_the_time_gets_credit_once_a_second() {
        let mut credit = Credit::default();
        let given: u64 = (0..10_000).map(|millisecond| credit.take(at(millisecond))).sum();
        assert_eq!(given, 10 * 255);
    }

    #[test]
    fn a_vm_with_a_small_share_gets_credit_when_it_has_paid_back_the_last() {
        let mut credit = Credit::default();
        let given = |millisecond| {
            let bytes = credit.take(at(millisecond));
            (0..bytes.min(1)).for_each(|_| credit.spend(at(millisecond), 4 * CREDIT_INTERVAL));
            bytes
        };
        assert_eq!((0..10_000).map(given).sum::<u64>(), 3 * 255);
    }
}
