//! A session between two processes.

use alloc::vec::Vec;

use crate::command::Command;
use crate::counters::Counters;
use crate::decoder::Decoder;
use crate::reply_queue::Output;
use crate::request_queue::Demand;
use crate::session::Session;

/// All that a session is, in plain values: what one process saves of it and another one restores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// The half of a command that has come, as it was sent but for payload, which means nothing.
    pub partial: Vec<u8>,
    /// What is asked and not answered, oldest first: what one request asks, and how many there are of it. Of 0x02 it is
    /// one run with the bytes that it is owed.
    pub requests: Vec<(Demand, u64)>,
    /// What is decided and not written, in order.
    pub replies: Vec<QueuedReply>,
    /// What was asked so far.
    pub counters: Counters,
    /// A command other than 0x02 has at least begun.
    pub other_commands: bool,
}

/// A stretch of the reply stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueuedReply {
    /// These very bytes.
    Literal(Vec<u8>),
    /// This many random ones.
    Random(u64),
}

/// What was saved is no session: more of something than one holds, or a half command that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSnapshot;

impl core::fmt::Display for InvalidSnapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("what was saved is no session")
    }
}

impl core::error::Error for InvalidSnapshot {}

impl Session {
    /// What another process needs to go on.
    pub fn snapshot(&self) -> SessionSnapshot {
        SessionSnapshot {
            partial: self.decoder.partial(),
            requests: self.requests.runs().collect(),
            replies: self.outputs().map(QueuedReply::from).collect(),
            counters: self.counters,
            other_commands: self.other_commands,
        }
    }

    /// Goes on with what another process saved.
    pub fn restore(saved: &SessionSnapshot) -> Result<Self, InvalidSnapshot> {
        let mut session = Self::new();
        for byte in &saved.partial {
            if !matches!(session.decoder.take(*byte), Ok(None)) {
                return Err(InvalidSnapshot);
            }
        }
        for (demand, count) in &saved.requests {
            session.requests.restore(*demand, *count)?;
        }
        for reply in &saved.replies {
            session.pending.restore(reply)?;
        }
        session.counters = saved.counters;
        session.other_commands = saved.other_commands;
        Ok(session)
    }
}

impl From<Output<'_>> for QueuedReply {
    fn from(output: Output<'_>) -> Self {
        match output {
            Output::Literal(bytes) => Self::Literal(bytes.to_vec()),
            Output::Random(count) => Self::Random(count),
        }
    }
}

impl Decoder {
    /// The bytes of a command that has begun.
    fn partial(self) -> Vec<u8> {
        let write = |bits: u16, rest: &[u8]| {
            let [high, low] = bits.to_be_bytes();
            [&[Command::WRITE, high, low], rest].concat()
        };
        match self {
            Self::Idle => Vec::new(),
            Self::NonBlocking => [Command::READ_NON_BLOCKING].into(),
            Self::Blocking => [Command::READ_BLOCKING].into(),
            Self::Write => [Command::WRITE].into(),
            Self::WriteHigh(high) => [Command::WRITE, high].into(),
            Self::WriteBits(bits) => write(bits, &[]),
            Self::Payload { bits, length, left } => {
                let mut partial = write(bits, &[length]);
                partial.resize(partial.len() + usize::from(length - left), 0);
                partial
            }
        }
    }
}
