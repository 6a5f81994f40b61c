//! The server's side of one connection.

use crate::command::Command;
use crate::counters::Counters;
use crate::decoder::Decoder;
use crate::protocol_error::ProtocolError;
use crate::reply_queue::{Output, Outputs, ReplyQueue};
use crate::request_queue::{Demand, Enqueued, RequestQueue};

/// The state of one connection: a half-read command, the requests not yet answered, the answers not yet
/// written. All of it is inline, so a client cannot make it grow.
///
/// The life of a request: [`receive`](Self::receive) queues it, [`demand`](Self::demand) shows the oldest,
/// [`grant`](Self::grant) or one of the `answer_*` decides it, [`outputs`](Self::outputs) says what to write,
/// [`written`](Self::written) forgets it.
#[derive(Debug)]
pub struct Session {
    pub(crate) decoder: Decoder,
    pub(crate) requests: RequestQueue,
    pub(crate) pending: ReplyQueue,
    pub(crate) counters: Counters,
    violation: Option<ProtocolError>,
    /// A command other than 0x02 has at least begun.
    pub(crate) other_commands: bool,
}

// The bound that a client cannot move, one for every connection: what needs no drop owns nothing elsewhere.
const _: () = assert!(size_of::<Session>() <= 512 && !core::mem::needs_drop::<Session>());

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A connection that has not said anything.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            requests: RequestQueue::new(),
            pending: ReplyQueue::new(),
            counters: Counters::default(),
            violation: None,
            other_commands: false,
        }
    }

    /// Takes what was read, cut anywhere. After a violation it gives that same violation for ever.
    pub fn receive(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        input
            .iter()
            .try_for_each(|byte| self.take(*byte))
            .inspect_err(|violation| self.violation = Some(*violation))
    }

    fn take(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.other_commands |= self.decoder == Decoder::Idle && byte != Command::READ_BLOCKING;
        let command = self.decoder.take(byte).map_err(|unknown| ProtocolError::UnknownCommand(unknown.0))?;
        let Some(command) = command else { return Ok(()) };
        self.counters.count(command);
        if self.requests.push(command)? == Enqueued::Saturated {
            self.counters.saturations += 1;
        }
        Ok(())
    }

    /// What the oldest unanswered request asks for now.
    pub fn demand(&self) -> Demand {
        self.requests.head()
    }

    /// Bytes owed to all 0x02 requests and not granted yet, also to those behind other requests.
    pub fn owed(&self) -> u64 {
        self.requests.owed()
    }

    /// Pays `bytes` of the run of 0x02 at the head: they may now be written. At most what
    /// [`Demand::Blocking`] says; possible also while [`backlog_full`](Self::backlog_full).
    pub fn grant(&mut self, bytes: u64) {
        let Demand::Blocking(owed) = self.demand() else {
            debug_assert!(bytes == 0, "a grant without a demand");
            return;
        };
        debug_assert!(bytes <= owed, "a grant beyond what is owed");
        let bytes = bytes.min(owed);
        self.requests.settle(bytes);
        self.pending.random(bytes);
    }

    /// Answers the 0x01 at the head with `bytes`, at most what it asked for; zero is legal.
    pub fn answer_non_blocking(&mut self, bytes: u8) {
        let Demand::NonBlocking(asked) = self.demand() else {
            debug_assert!(false, "an answer to a 0x01 that is not at the head");
            return;
        };
        debug_assert!(bytes <= asked, "an answer longer than was asked");
        let bytes = bytes.min(asked);
        self.answer(&[bytes]);
        self.pending.random(u64::from(bytes));
    }

    /// Answers the 0x00 at the head: `bytes` could be had now. It goes out in bits, as whole bytes, and at
    /// most what a `u32` holds.
    pub fn answer_level(&mut self, bytes: u64) {
        debug_assert!(self.demand() == Demand::Level, "an answer to a 0x00 that is not at the head");
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(u32::MAX / 8);
        self.answer(&(bytes * 8).to_be_bytes());
    }

    /// Answers the 0x04 at the head.
    pub fn answer_pid(&mut self, pid: u32) {
        debug_assert!(self.demand() == Demand::Pid, "an answer to a 0x04 that is not at the head");
        let (reply, len) = pid_reply(pid);
        self.answer(&reply[..len]);
    }

    fn answer(&mut self, literal: &[u8]) {
        debug_assert!(!self.backlog_full(), "an answer while the backlog is full");
        self.requests.settle(1);
        self.pending.literal(literal);
    }

    /// Has the peer left so many answers unread that no further one may be made? Reading goes on; what is
    /// asked stays queued until [`written`](Self::written) makes room.
    pub fn backlog_full(&self) -> bool {
        !self.pending.has_room()
    }

    /// What to write next.
    pub fn next_output(&self) -> Option<Output<'_>> {
        self.outputs().next()
    }

    /// All that may be written now, in order; neighbours of one kind are mostly merged. A reply written in
    /// one piece suits clients that read it in one.
    pub fn outputs(&self) -> Outputs<'_> {
        self.pending.iter()
    }

    /// How many random bytes may be written now.
    pub fn random_pending(&self) -> u64 {
        let random = |output| if let Output::Random(count) = output { count } else { 0 };
        self.outputs().map(random).fold(0, u64::saturating_add)
    }

    /// The kernel took `bytes` of [`outputs`](Self::outputs), from the front.
    pub fn written(&mut self, bytes: usize) {
        self.pending.written(bytes);
    }

    /// Has a command begun and not ended? How long it may stay so is the caller's to decide.
    pub fn partial_command(&self) -> bool {
        self.decoder != Decoder::Idle
    }

    /// Has the peer asked by 0x02, and never so much as begun any other command? Only such a peer, which
    /// counts bytes and nothing else, may be sent bytes unsolicited.
    pub fn only_blocking_reads(&self) -> bool {
        !self.other_commands && self.counters.blocking > 0
    }

    /// Has the peer begun any command but 0x02?
    pub fn other_commands(&self) -> bool {
        self.other_commands
    }

    /// What was asked so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// A length byte and the decimal digits; `u32` has at most ten.
fn pid_reply(pid: u32) -> ([u8; 11], usize) {
    let mut backwards = [0; 10];
    let mut digits: u8 = 0;
    let mut rest = pid;
    while digits == 0 || rest > 0 {
        // A remainder of ten fits in a byte.
        backwards[usize::from(digits)] = b'0' + (rest % 10) as u8;
        rest /= 10;
        digits += 1;
    }
    let mut reply = [0; 11];
    reply[0] = digits;
    let forwards = backwards[..usize::from(digits)].iter().rev();
    reply[1..].iter_mut().zip(forwards).for_each(|(to, digit)| *to = *digit);
    (reply, 1 + usize::from(digits))
}
