//! The server's side of a connection.

use crate::codec::{Command, Decoder};
use crate::reply_queue::{Replies, Reply, ReplyQueue};
use crate::request_queue::{Demand, Enqueued, ProtocolError, RequestQueue};

/// The complete commands of a connection by kind, and what was discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// 0x00 commands.
    pub level: u64,
    /// 0x01 commands.
    pub non_blocking: u64,
    /// 0x02 commands.
    pub blocking: u64,
    /// 0x03 commands.
    pub write: u64,
    /// 0x04 commands.
    pub pid: u64,
    /// Payload bytes of complete 0x03 commands, which are discarded.
    pub discarded: u64,
    /// Commands that did not fit completely into their run, because it had reached its maximum.
    pub saturations: u64,
}

impl SessionCounters {
    fn count(&mut self, command: Command) {
        match command {
            Command::Level => self.level += 1,
            Command::ReadNonBlocking(_) => self.non_blocking += 1,
            Command::ReadBlocking(_) => self.blocking += 1,
            Command::Write { length, .. } => {
                self.write += 1;
                self.discarded += u64::from(length);
            }
            Command::Pid => self.pid += 1,
        }
    }
}

/// The state of a connection: a partial command, the unanswered requests and the unwritten replies. All of it is
/// inline, so that a client cannot make it grow.
///
/// A request is queued by [`receive`](Self::receive), shown by [`demand`](Self::demand), answered by
/// [`grant`](Self::grant) or one of the `answer_*` methods, listed for writing by [`replies`](Self::replies), and
/// removed by [`written`](Self::written).
#[derive(Debug)]
pub struct Session {
    pub(crate) decoder: Decoder,
    pub(crate) requests: RequestQueue,
    pub(crate) replies: ReplyQueue,
    pub(crate) counters: SessionCounters,
    protocol_error: Option<ProtocolError>,
    /// Whether a command other than 0x02 was received, at least in part.
    pub(crate) other_commands: bool,
}

// The memory of a connection is bounded: a type that needs no drop owns no memory elsewhere.
const _: () = assert!(size_of::<Session>() <= 512 && !core::mem::needs_drop::<Session>());

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    pub fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            requests: RequestQueue::new(),
            replies: ReplyQueue::new(),
            counters: SessionCounters::default(),
            protocol_error: None,
            other_commands: false,
        }
    }

    /// Processes input, split anywhere. After a protocol error it returns the same error forever.
    pub fn receive(&mut self, input: &[u8]) -> Result<(), ProtocolError> {
        if let Some(error) = self.protocol_error {
            return Err(error);
        }
        input
            .iter()
            .try_for_each(|byte| self.receive_byte(*byte))
            .inspect_err(|error| self.protocol_error = Some(*error))
    }

    fn receive_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.other_commands |= self.decoder == Decoder::Idle && byte != Command::READ_BLOCKING;
        let command =
            self.decoder.decode(byte).map_err(|unknown| ProtocolError::UnknownCommand(unknown.0))?;
        let Some(command) = command else { return Ok(()) };
        self.counters.count(command);
        if self.requests.push(command)? == Enqueued::Saturated {
            self.counters.saturations += 1;
        }
        Ok(())
    }

    /// What the oldest unanswered request demands.
    pub fn demand(&self) -> Demand {
        self.requests.head()
    }

    /// The bytes owed to all 0x02 requests and not granted yet, including those behind other requests.
    pub fn owed(&self) -> u64 {
        self.requests.owed()
    }

    /// Grants `bytes` to the run of 0x02 at the head: they can be written now. At most as many as
    /// [`Demand::Blocking`] says; also allowed while [`backlog_full`](Self::backlog_full).
    pub fn grant(&mut self, bytes: u64) {
        let Demand::Blocking(owed) = self.demand() else {
            debug_assert!(bytes == 0, "a grant without a demand");
            return;
        };
        debug_assert!(bytes <= owed, "a grant beyond what is owed");
        let bytes = bytes.min(owed);
        self.requests.remove(bytes);
        self.replies.push_random(bytes);
    }

    /// Answers the 0x01 at the head with `bytes`, at most as many as it requests; zero is legal.
    pub fn answer_non_blocking(&mut self, bytes: u8) {
        let Demand::NonBlocking(requested) = self.demand() else {
            debug_assert!(false, "an answer to a 0x01 that is not at the head");
            return;
        };
        debug_assert!(bytes <= requested, "an answer longer than requested");
        let bytes = bytes.min(requested);
        self.answer(&[bytes]);
        self.replies.push_random(u64::from(bytes));
    }

    /// Answers the 0x00 at the head: `bytes` can be read at once. The reply is in bits, of whole bytes, and at most what
    /// a `u32` can hold.
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
        self.requests.remove(1);
        self.replies.push_literal(literal);
    }

    /// Whether the peer has left so many replies unread that no further one may be added. Reading continues, and
    /// requests stay queued until [`written`](Self::written) makes room.
    pub fn backlog_full(&self) -> bool {
        !self.replies.has_room()
    }

    /// What to write next.
    pub fn next_reply(&self) -> Option<Reply<'_>> {
        self.replies().next()
    }

    /// All that can be written now, in order; adjacent parts of one kind are mostly merged. Some clients expect to read
    /// a reply in one piece, so it should be written in one.
    pub fn replies(&self) -> Replies<'_> {
        self.replies.iter()
    }

    /// The number of random bytes that can be written now.
    pub fn random_pending(&self) -> u64 {
        let random = |reply| if let Reply::Random(count) = reply { count } else { 0 };
        self.replies().map(random).fold(0, u64::saturating_add)
    }

    /// Removes `bytes`, which the kernel has accepted, from the front of [`replies`](Self::replies).
    pub fn written(&mut self, bytes: usize) {
        self.replies.written(bytes);
    }

    /// Whether a command is incomplete. The caller decides how long it may stay so.
    pub fn partial_command(&self) -> bool {
        self.decoder != Decoder::Idle
    }

    /// Whether the peer has sent 0x02 and not even a part of any other command. Only such a peer, which counts bytes and
    /// nothing else, may be sent unsolicited bytes.
    pub fn only_blocking_reads(&self) -> bool {
        !self.other_commands && self.counters.blocking > 0
    }

    /// Whether a command other than 0x02 was received, at least in part.
    pub fn other_commands(&self) -> bool {
        self.other_commands
    }

    pub fn counters(&self) -> SessionCounters {
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
