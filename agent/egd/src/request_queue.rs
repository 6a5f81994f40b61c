//! The unanswered requests of a client, as runs of equal ones, so that a million of them need no more memory than one.

use core::fmt;

use crate::codec::Command;
use crate::ring::Ring;

/// The number of runs that a session stores. One more closes the connection.
pub const MAX_RUNS: usize = 16;

/// The most that a run of 0x02 can be owed: 4 GiB, which is one byte more than QEMU can request in one kick.
pub const MAX_OWED: u64 = 1 << 32;

/// What the oldest unanswered request demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// There is no request.
    None,
    /// The bytes owed to adjacent 0x02 requests and not granted yet; never zero.
    Blocking(u64),
    /// A 0x01 for up to this many bytes, to be answered without waiting.
    NonBlocking(u8),
    /// A 0x00.
    Level,
    /// A 0x04.
    Pid,
}

/// What the requests of one run have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestKind {
    #[default]
    Blocking,
    NonBlocking(u8),
    Level,
    Pid,
}

impl RequestKind {
    /// The maximum of a run: bytes of 0x02, requests of the others.
    fn max(self) -> u64 {
        match self {
            Self::Blocking => MAX_OWED,
            Self::NonBlocking(_) | Self::Level | Self::Pid => u64::from(u32::MAX),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Run {
    kind: RequestKind,
    amount: u64,
}

/// Whether a request fitted into its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    Whole,
    Saturated,
}

/// Why a connection must be closed. Nothing after the error is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A byte is not the code of a command. Lengths are unknown from here on, so nothing that follows has a meaning.
    UnknownCommand(u8),
    /// There are more unanswered runs of equal requests than a session stores.
    TooManyRuns,
}

impl ProtocolError {
    /// The reason in logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownCommand(_) => "UnknownCommand",
            Self::TooManyRuns => "TooManyRuns",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(code) => write!(f, "unknown command {code:#04x}, EGD has 0x00 to 0x04"),
            Self::TooManyRuns => write!(
                f,
                "too many alternating requests: more than {MAX_RUNS} unanswered runs of different requests"
            ),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// The unanswered requests, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct RequestQueue {
    runs: Ring<Run, MAX_RUNS>,
}

impl RequestQueue {
    pub(crate) fn new() -> Self {
        Self { runs: Ring::new() }
    }

    /// Queues a command that has a reply. A 0x02 of zero bytes and a 0x03 have none, so they do not end a run.
    pub(crate) fn push(&mut self, command: Command) -> Result<Enqueued, ProtocolError> {
        match command {
            Command::Level => self.add(RequestKind::Level, 1),
            Command::ReadNonBlocking(length) => self.add(RequestKind::NonBlocking(length), 1),
            Command::ReadBlocking(0) | Command::Write { .. } => Ok(Enqueued::Whole),
            Command::ReadBlocking(length) => self.add(RequestKind::Blocking, u64::from(length)),
            Command::Pid => self.add(RequestKind::Pid, 1),
        }
    }

    fn add(&mut self, kind: RequestKind, amount: u64) -> Result<Enqueued, ProtocolError> {
        match self.runs.back_mut() {
            Some(run) if run.kind == kind => {
                let enqueued =
                    if amount > kind.max() - run.amount { Enqueued::Saturated } else { Enqueued::Whole };
                run.amount = (run.amount + amount).min(kind.max());
                Ok(enqueued)
            }
            _ => self
                .runs
                .push(Run { kind, amount })
                .map(|()| Enqueued::Whole)
                .map_err(|_| ProtocolError::TooManyRuns),
        }
    }

    /// All runs, oldest first: the demand of a request, and the number of requests.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Demand, u64)> {
        self.runs.iter().map(|run| match run.kind {
            RequestKind::Blocking => (Demand::Blocking(run.amount), 1),
            RequestKind::NonBlocking(length) => (Demand::NonBlocking(length), run.amount),
            RequestKind::Level => (Demand::Level, run.amount),
            RequestKind::Pid => (Demand::Pid, run.amount),
        })
    }

    /// Appends a run from a snapshot; `None` if it is invalid.
    pub(crate) fn restore(&mut self, demand: Demand, count: u64) -> Option<()> {
        let (kind, amount) = match demand {
            Demand::None => return None,
            Demand::Blocking(owed) => (RequestKind::Blocking, owed),
            Demand::NonBlocking(length) => (RequestKind::NonBlocking(length), count),
            Demand::Level => (RequestKind::Level, count),
            Demand::Pid => (RequestKind::Pid, count),
        };
        if amount == 0 || amount > kind.max() {
            return None;
        }
        self.runs.push(Run { kind, amount }).ok()
    }

    pub(crate) fn head(&self) -> Demand {
        match self.runs.front() {
            None => Demand::None,
            Some(Run { kind: RequestKind::Blocking, amount }) => Demand::Blocking(*amount),
            Some(Run { kind: RequestKind::NonBlocking(length), .. }) => Demand::NonBlocking(*length),
            Some(Run { kind: RequestKind::Level, .. }) => Demand::Level,
            Some(Run { kind: RequestKind::Pid, .. }) => Demand::Pid,
        }
    }

    /// Removes `amount` from the oldest run: bytes of 0x02, requests of the others.
    pub(crate) fn remove(&mut self, amount: u64) {
        let Some(run) = self.runs.front_mut() else { return };
        run.amount = run.amount.saturating_sub(amount);
        if run.amount == 0 {
            self.runs.pop();
        }
    }

    pub(crate) fn owed(&self) -> u64 {
        self.runs.iter().filter(|run| run.kind == RequestKind::Blocking).map(|run| run.amount).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A run that is `room` below its maximum.
    fn almost_full(command: Command, room: u64) -> RequestQueue {
        let mut requests = RequestQueue::new();
        requests.push(command).unwrap();
        let run = requests.runs.front_mut().unwrap();
        run.amount = run.kind.max() - room;
        requests
    }

    #[test]
    fn a_run_saturates_with_the_first_request_that_does_not_fit() {
        for (room, enqueued) in [
            (256, Enqueued::Whole),
            (255, Enqueued::Whole),
            (254, Enqueued::Saturated),
            (0, Enqueued::Saturated),
        ] {
            let mut requests = almost_full(Command::ReadBlocking(1), room);
            assert_eq!(requests.push(Command::ReadBlocking(255)), Ok(enqueued), "{room} bytes of room");
            assert_eq!(requests.owed(), MAX_OWED - room.saturating_sub(255));
        }
    }

    #[test]
    fn requests_other_than_blocking_reads_are_counted_in_32_bits() {
        for command in [Command::Level, Command::ReadNonBlocking(9), Command::Pid] {
            let mut requests = almost_full(command, 1);
            assert_eq!(requests.push(command), Ok(Enqueued::Whole));
            assert_eq!(requests.push(command), Ok(Enqueued::Saturated));
            requests.remove(u64::from(u32::MAX) - 1);
            assert_ne!(requests.head(), Demand::None);
            requests.remove(1);
            assert_eq!(requests.head(), Demand::None);
        }
    }

    #[test]
    fn debts_behind_other_requests_are_owed_too() {
        let mut requests = RequestQueue::new();
        for command in [Command::ReadBlocking(3), Command::Pid, Command::ReadBlocking(4)] {
            requests.push(command).unwrap();
        }
        assert_eq!(requests.head(), Demand::Blocking(3));
        assert_eq!(requests.owed(), 7);
    }
}
