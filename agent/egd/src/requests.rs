//! What a client has asked for and not been answered: runs of equal requests, so that a million of them
//! take no more room than one.

use crate::command::Command;
use crate::ring::Ring;
use crate::violation::Violation;

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
pub(crate) enum Kind {
    #[default]
    Blocking,
    NonBlocking(u8),
    Level,
    Pid,
}

impl Kind {
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
    kind: Kind,
    amount: u64,
}

/// Did a request fit into its run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Whole,
    Saturated,
}

/// The unanswered requests, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    runs: Ring<Run, MAX_RUNS>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { runs: Ring::new() }
    }

    /// Queues what has an answer. A read of nothing by 0x02 and every 0x03 have none, so they part no run.
    pub(crate) fn push(&mut self, command: Command) -> Result<Fit, Violation> {
        match command {
            Command::Level => self.add(Kind::Level, 1),
            Command::ReadNonBlocking(length) => self.add(Kind::NonBlocking(length), 1),
            Command::ReadBlocking(0) | Command::Write { .. } => Ok(Fit::Whole),
            Command::ReadBlocking(length) => self.add(Kind::Blocking, u64::from(length)),
            Command::Pid => self.add(Kind::Pid, 1),
        }
    }

    fn add(&mut self, kind: Kind, amount: u64) -> Result<Fit, Violation> {
        match self.runs.back_mut() {
            Some(run) if run.kind == kind => {
                let fit = if amount > kind.bound() - run.amount { Fit::Saturated } else { Fit::Whole };
                run.amount = (run.amount + amount).min(kind.bound());
                Ok(fit)
            }
            _ => {
                self.runs.push(Run { kind, amount }).map(|()| Fit::Whole).map_err(|_| Violation::TooManyRuns)
            }
        }
    }

    pub(crate) fn head(&self) -> Demand {
        match self.runs.front() {
            None => Demand::None,
            Some(Run { kind: Kind::Blocking, amount }) => Demand::Blocking(*amount),
            Some(Run { kind: Kind::NonBlocking(length), .. }) => Demand::NonBlocking(*length),
            Some(Run { kind: Kind::Level, .. }) => Demand::Level,
            Some(Run { kind: Kind::Pid, .. }) => Demand::Pid,
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
        self.runs.iter().filter(|run| run.kind == Kind::Blocking).map(|run| run.amount).sum()
    }
}
