//! The worker's side: what it knows of its supervisor, and says to it.

use std::env;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::{Arc, Weak};
use std::thread;

use super::listen_fds::{ListenFd, passed_to};
use super::{ANSWERS, SERVES};
use crate::agent::Agent;
use rustix::io::{read, retry_on_intr, write};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Tells a process that it is a worker, and of whom.
const VARIABLE: &str = "ENTROPOOL_SUPERVISOR";
/// Behind the supervisor's id where the worker is to take over from another one.
const SUCCESSOR: &str = ",successor";
/// Behind it where one before has served, and died.
const AGAIN: &str = ",again";

/// Tells it how many before it hung.
const HANGS: &str = "ENTROPOOL_HANGS";

/// Why a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerRole {
    /// Nobody has served yet.
    First,
    /// One before has served, and died.
    Again,
    /// It takes over from one that serves.
    Successor,
}

/// This process, if it is a worker.
#[derive(Debug)]
pub struct Worker {
    role: WorkerRole,
    hangs: u64,
    passed: Vec<ListenFd>,
}

impl Worker {
    /// This process as a worker; `None` if nobody supervises it. From now on it dies with its supervisor. To be called
    /// before anything is opened.
    pub fn here() -> io::Result<Option<Self>> {
        let Some((supervisor, role)) = env::var(VARIABLE).ok().and_then(|text| parse(&text)) else {
            return Ok(None);
        };
        if getppid() != Some(supervisor) {
            // What an ancestor was told.
            return Ok(None);
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(supervisor) {
            return Err(io::Error::new(ErrorKind::BrokenPipe, "the supervisor has just died"));
        }
        let hangs = env::var(HANGS).ok().and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(Some(Self { role, hangs, passed: passed_to(supervisor) }))
    }

    /// Whether the supervisor wants it to take over from the worker that serves.
    pub fn is_successor(&self) -> bool {
        self.role == WorkerRole::Successor
    }

    /// Whether its supervisor has seen one before it serve with the same arguments: what these say of VMs was right, and
    /// if it is not any more, all others are to be served nevertheless.
    pub fn comes_again(&self) -> bool {
        self.role == WorkerRole::Again
    }

    /// What a service manager kept of the process before its supervisor, once.
    pub fn passed(&mut self) -> Vec<ListenFd> {
        std::mem::take(&mut self.passed)
    }

    /// Says that `agent` serves, and from now on, whenever the supervisor asks, that its loop still takes turns. Standard
    /// input is the way to the supervisor.
    pub fn serves(&self, agent: &Arc<Agent>) {
        agent.others_hung(self.hangs);
        // One that does not hear it has died, and this process dies with it.
        let _ = write(io::stdin().as_fd(), &[SERVES]);
        let asked = Arc::downgrade(agent);
        let thread = thread::Builder::new().name("supervised".to_owned()).spawn(move || answer(&asked));
        if let Err(error) = thread {
            tracing::warn!(%error, "nobody will notice it if the event loop stands still");
        }
    }
}

/// Answers for as long as anybody asks. An agent that has ended, as it was told to, hangs no more.
fn answer(agent: &Weak<Agent>) {
    let mut said = offer(agent);
    while said.is_ok() {
        if !matches!(retry_on_intr(|| read(io::stdin().as_fd(), &mut [0])), Ok(1)) {
            // A supervisor of a version that does not ask.
            return;
        }
        let _ = agent.upgrade().is_some_and(|agent| agent.server().responds());
        said = write(io::stdin().as_fd(), &[ANSWERS]).map(|_| ());
    }
}

/// Says that this worker can be asked, and gives where it is seen that there is no need to.
fn offer(agent: &Weak<Agent>) -> rustix::io::Result<()> {
    let agent = agent.upgrade();
    let seen = agent.as_ref().and_then(|agent| agent.server().heartbeat());
    let beside: Vec<_> = seen.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let _ = beside.is_empty() || control.push(SendAncillaryMessage::ScmRights(&beside));
    sendmsg(io::stdin().as_fd(), &[IoSlice::new(&[ANSWERS])], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}

/// Tells a command that it will be a worker of this process, and how many before it hung.
pub(super) fn appoint(command: &mut Command, role: WorkerRole, hangs: u64) {
    let suffix = match role {
        WorkerRole::First => "",
        WorkerRole::Again => AGAIN,
        WorkerRole::Successor => SUCCESSOR,
    };
    command.env(VARIABLE, format!("{}{suffix}", getpid().as_raw_nonzero()));
    command.env(HANGS, hangs.to_string());
}

fn parse(text: &str) -> Option<(Pid, WorkerRole)> {
    let suffixed = |(suffix, role)| Some((text.strip_suffix(suffix)?, role));
    let suffixed =
        [(SUCCESSOR, WorkerRole::Successor), (AGAIN, WorkerRole::Again)].into_iter().find_map(suffixed);
    let (pid, role) = suffixed.unwrap_or((text, WorkerRole::First));
    Some((Pid::from_raw(pid.parse().ok()?)?, role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_says_is_what_its_worker_hears() {
        for role in [WorkerRole::First, WorkerRole::Again, WorkerRole::Successor] {
            let mut command = Command::new("true");
            appoint(&mut command, role, 0);
            let said = command.get_envs().find_map(|(name, value)| (name == VARIABLE).then_some(value?));
            assert_eq!(said.and_then(|said| parse(said.to_str()?)), Some((getpid(), role)));
        }
        for wrong in ["", "0", "x", "12,", ",successor"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
