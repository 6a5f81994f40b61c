//! What a client has asked for and not been answered: runs of equal requests, so that a million of them
//! take no more room than one.

use crate::command::Command;
use crate::protocol_error::ProtocolError;
use crate::ring::Ring;
use crate::snapshot::InvalidSnapshot;

/// How many runs a session keeps; one more closes the connection.
pub const MAX_RUNS: usize = 16;

/// Where the debt of one run of 0x02 stops growing: 4 GiB, what QEMU can ask for at most in one kick, and a byte.
pub const MAX_OWED: u64 = 1 << 32;

/// What the oldest unanswered request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing is asked.
    None,
    /// Bytes owed to adjacent 0x02 requests and not granted yet; never zero.
    Blocking(u64),
    /// A 0x01 for up to this many bytes, to be answered at once.
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
    /// 0x02 counts bytes, the others count requests.
    fn bound(self) -> u64 {
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

/// Did a request fit into its run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    Whole,
    Saturated,
}

/// The unanswered requests, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct RequestQueue {
    runs: Ring<Run, MAX_RUNS>,
}

impl RequestQueue {
    pub(crate) fn new() -> Self {
        Self { runs: Ring::new() }
    }

    /// Queues what has an answer. A read of nothing by 0x02 and every 0x03 have none, so they part no run.
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
                let fit =
                    if amount > kind.bound() - run.amount { Enqueued::Saturated } else { Enqueued::Whole };
                run.amount = (run.amount + amount).min(kind.bound());
                Ok(fit)
            }
            _ => self
                .runs
                .push(Run { kind, amount })
                .map(|()| Enqueued::Whole)
                .map_err(|_| ProtocolError::TooManyRuns),
        }
    }

    /// All runs, oldest first: what a request asks, and how many there are.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Demand, u64)> {
        self.runs.iter().map(|run| match run.kind {
            RequestKind::Blocking => (Demand::Blocking(run.amount), 1),
            RequestKind::NonBlocking(length) => (Demand::NonBlocking(length), run.amount),
            RequestKind::Level => (Demand::Level, run.amount),
            RequestKind::Pid => (Demand::Pid, run.amount),
        })
    }

    /// Puts back a run that another process had.
    pub(crate) fn restore(&mut self, demand: Demand, count: u64) -> Result<(), InvalidSnapshot> {
        let (kind, amount) = match demand {
            Demand::None => return Err(InvalidSnapshot),
            Demand::Blocking(owed) => (RequestKind::Blocking, owed),
            Demand::NonBlocking(length) => (RequestKind::NonBlocking(length), count),
            Demand::Level => (RequestKind::Level, count),
            Demand::Pid => (RequestKind::Pid, count),
        };
        if amount == 0 || amount > kind.bound() {
            return Err(InvalidSnapshot);
        }
        self.runs.push(Run { kind, amount }).map_err(|_| InvalidSnapshot)
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

    /// Takes `amount` (bytes of 0x02, requests of the others) off the oldest run.
    pub(crate) fn settle(&mut self, amount: u64) {
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

    /// A run that is `room` below its bound.
    fn almost_full(command: Command, room: u64) -> RequestQueue {
        let mut requests = RequestQueue::new();
        requests.push(command).unwrap();
        let run = requests.runs.front_mut().unwrap();
        run.amount = run.kind.bound() - room;
        requests
    }

    #[test]
    fn a_run_saturates_with_the_first_request_that_does_not_fit() {
        for (room, fit) in [
            (256, Enqueued::Whole),
            (255, Enqueued::Whole),
            (254, Enqueued::Saturated),
            (0, Enqueued::Saturated),
        ] {
            let mut requests = almost_full(Command::ReadBlocking(1), room);
            assert_eq!(requests.push(Command::ReadBlocking(255)), Ok(fit), "{room} bytes of room");
            assert_eq!(requests.owed(), MAX_OWED - room.saturating_sub(255));
        }
    }

    #[test]
    fn requests_other_than_blocking_reads_are_counted_in_32_bits() {
        for command in [Command::Level, Command::ReadNonBlocking(9), Command::Pid] {
            let mut requests = almost_full(command, 1);
            assert_eq!(requests.push(command), Ok(Enqueued::Whole));
            assert_eq!(requests.push(command), Ok(Enqueued::Saturated));
            requests.settle(u64::from(u32::MAX) - 1);
            assert_ne!(requests.head(), Demand::None);
            requests.settle(1);
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
