//! A session as plain values, to continue it in another process.

use alloc::vec::Vec;

use crate::reply_queue::Reply;
use crate::request_queue::Demand;
use crate::session::{Session, SessionCounters};

/// The complete state of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// The bytes of a partial command. Those of a payload are zero, since they are discarded.
    pub partial: Vec<u8>,
    /// The unanswered requests, oldest first: the demand of a request, and the number of requests. A run of 0x02 counts
    /// as one request for all bytes that it is owed.
    pub requests: Vec<(Demand, u64)>,
    /// The replies that are not written yet, in order.
    pub replies: Vec<QueuedReply>,
    pub counters: SessionCounters,
    /// Whether a command other than 0x02 was received, at least in part.
    pub other_commands: bool,
}

/// A part of the reply stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueuedReply {
    Literal(Vec<u8>),
    /// This many random bytes.
    Random(u64),
}

/// The snapshot is not one of a session: it has more of something than a session stores, or an invalid partial command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSnapshot;

impl core::fmt::Display for InvalidSnapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the snapshot is not one of an EGD session")
    }
}

impl core::error::Error for InvalidSnapshot {}

impl Session {
    pub fn snapshot(&self) -> SessionSnapshot {
        SessionSnapshot {
            partial: self.decoder.partial(),
            requests: self.requests.runs().collect(),
            replies: self.replies().map(QueuedReply::from).collect(),
            counters: self.counters,
            other_commands: self.other_commands,
        }
    }

    /// The session of a snapshot.
    pub fn restore(snapshot: &SessionSnapshot) -> Result<Self, InvalidSnapshot> {
        let mut session = Self::new();
        for byte in &snapshot.partial {
            if !matches!(session.decoder.decode(*byte), Ok(None)) {
                return Err(InvalidSnapshot);
            }
        }
        for (demand, count) in &snapshot.requests {
            session.requests.restore(*demand, *count).ok_or(InvalidSnapshot)?;
        }
        for reply in &snapshot.replies {
            session.replies.restore(reply.as_reply()).ok_or(InvalidSnapshot)?;
        }
        session.counters = snapshot.counters;
        session.other_commands = snapshot.other_commands;
        Ok(session)
    }
}

impl QueuedReply {
    fn as_reply(&self) -> Reply<'_> {
        match self {
            Self::Literal(bytes) => Reply::Literal(bytes),
            Self::Random(count) => Reply::Random(*count),
        }
    }
}

impl From<Reply<'_>> for QueuedReply {
    fn from(reply: Reply<'_>) -> Self {
        match reply {
            Reply::Literal(bytes) => Self::Literal(bytes.to_vec()),
            Reply::Random(count) => Self::Random(count),
        }
    }
}
