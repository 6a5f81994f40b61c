//! The worker's end: what it knows of its supervisor, and the answers to its pings.

use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::{Arc, Weak};
use std::thread;

use rustix::fs::{SeekFrom, seek};
use rustix::io::{read, retry_on_intr, write};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::listen_fds::{self, ListenFd};
use super::restart_policy::WorkerRole;
use super::store_client::{LeftSockets, StoreClient};
use super::worker_channel::{ANSWERS, INPUT, LOCK, SERVES, STORE, receive, send};
use crate::agent::Agent;

/// The environment variable with the supervisor's process id, and the worker's role.
const VARIABLE: &str = "ENTROPOOL_SUPERVISOR";
/// The suffix of a worker that takes over from another one.
const SUCCESSOR: &str = ",successor";
/// The suffix of a worker whose predecessor has served and died.
const AGAIN: &str = ",again";
/// The environment variable with the number of workers that hung.
const HANGS: &str = "ENTROPOOL_HANGS";
/// The environment variable with the number of locks that a worker is sent.
const LOCKS: &str = "ENTROPOOL_LOCKS";
/// The environment variable that is 1 if it is then sent what was on standard input.
const INPUTS: &str = "ENTROPOOL_INPUTS";

/// The environment variable that is 1 if it is then sent its end of the store.
const STORES: &str = "ENTROPOOL_STORES";

/// This process as a worker.
#[derive(Debug)]
pub(crate) struct Worker {
    role: WorkerRole,
    hangs: u64,
    listen_fds: Vec<ListenFd>,
    locks: Vec<OwnedFd>,
    input: Option<OwnedFd>,
    store: Option<(StoreClient, LeftSockets)>,
}

impl Worker {
    /// This process, if it has a supervisor. From now on it dies with that. Must be called before any descriptor is opened.
    pub(crate) fn here() -> io::Result<Option<Self>> {
        let Some((supervisor, role)) = env::var(VARIABLE).ok().and_then(|text| parse(&text)) else {
            return Ok(None);
        };
        if getppid() != Some(supervisor) {
            // The variable was inherited from an ancestor.
            return Ok(None);
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(supervisor) {
            return Err(io::Error::new(ErrorKind::BrokenPipe, "the supervisor has died"));
        }
        let number = |name| env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or_default();
        let listen_fds = listen_fds::take(supervisor);
        let locks = receive_descriptors(LOCK, number(LOCKS))?;
        let input = receive_descriptors(INPUT, number(INPUTS))?.pop();
        let store =
            receive_descriptors(STORE, number(STORES))?.pop().map(StoreClient::receive).transpose()?;
        Ok(Some(Self { role, hangs: number(HANGS), listen_fds, locks, input, store }))
    }

    /// Whether it is to take over from the worker that serves.
    pub(crate) fn is_successor(&self) -> bool {
        self.role == WorkerRole::Successor
    }

    /// Whether a worker with the same arguments has served before: these were valid, and an error in them now must not keep
    /// the other VMs from being served.
    pub(crate) fn served_before(&self) -> bool {
        self.role == WorkerRole::Restarted
    }

    /// Takes the descriptors that a service manager passed to the supervisor.
    pub(crate) fn take_listen_fds(&mut self) -> Vec<ListenFd> {
        std::mem::take(&mut self.listen_fds)
    }

    /// Takes the locks that the supervisor keeps.
    pub(crate) fn take_locks(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.locks)
    }

    /// Takes what the supervisor has read from standard input, if it has.
    pub(crate) fn take_input(&mut self) -> Option<OwnedFd> {
        let input = self.input.take()?;
        // The offset is shared with the workers before.
        seek(&input, SeekFrom::Start(0)).ok()?;
        Some(input)
    }

    /// Takes the store of the supervisor, with what that has of the worker before.
    pub(crate) fn take_store(&mut self) -> Option<(StoreClient, LeftSockets)> {
        self.store.take()
    }

    /// Reports that `agent` serves, and from now on answers the supervisor's pings. Standard input is the socket to the
    /// supervisor. It keeps `locks` for the next worker.
    pub(crate) fn serves(&self, agent: &Arc<Agent>, locks: &[OwnedFd]) {
        agent.health().set_hangs(self.hangs);
        // A write fails only if the supervisor has died, and then so does this process. A supervisor of a version without
        // locks takes the last descriptor that it is sent, the heartbeat.
        let _ = locks.iter().try_for_each(|lock| send(io::stdin(), LOCK, Some(lock.as_fd())));
        let _ = write(io::stdin().as_fd(), &[SERVES]);
        let agent = Arc::downgrade(agent);
        let thread = thread::Builder::new().name("supervised".to_owned()).spawn(move || answer_pings(&agent));
        if let Err(error) = thread {
            tracing::warn!(%error, "the watchdog is unavailable: a hanging event loop will not be noticed");
        }
    }
}

/// Answers pings until the supervisor sends no more. For an agent that has stopped, every ping is answered.
fn answer_pings(agent: &Weak<Agent>) {
    let mut sent = send_first_answer(agent);
    while sent.is_ok() {
        if !matches!(retry_on_intr(|| read(io::stdin().as_fd(), &mut [0])), Ok(1)) {
            // The supervisor's version sends no pings.
            return;
        }
        let _ = agent.upgrade().is_some_and(|agent| agent.server().responds());
        sent = write(io::stdin().as_fd(), &[ANSWERS]).map(|_| ()).map_err(io::Error::from);
    }
}

/// Tells the supervisor that this worker answers pings, and sends it the heartbeat, which shows when none is needed.
fn send_first_answer(agent: &Weak<Agent>) -> io::Result<()> {
    let agent = agent.upgrade();
    let heartbeat = agent.as_ref().and_then(|agent| agent.server().heartbeat());
    send(io::stdin(), ANSWERS, heartbeat)
}

/// What the supervisor has sent before it started this worker.
fn receive_descriptors(kind: u8, count: u64) -> io::Result<Vec<OwnedFd>> {
    let descriptor = |_| match receive(io::stdin())? {
        (byte, Some(descriptor)) if byte == kind => Ok(descriptor),
        _ => Err(io::Error::new(
            ErrorKind::InvalidData,
            "the supervisor sent something else than it announced",
        )),
    };
    (0..count).map(descriptor).collect()
}

/// Sets the environment of a command that runs a worker of this process.
pub(super) fn set_environment(
    command: &mut Command,
    role: WorkerRole,
    hangs: u64,
    locks: usize,
    input: bool,
    store: bool,
) {
    let suffix = match role {
        WorkerRole::First => "",
        WorkerRole::Restarted => AGAIN,
        WorkerRole::Successor => SUCCESSOR,
    };
    command.env(VARIABLE, format!("{}{suffix}", getpid().as_raw_nonzero()));
    command.env(HANGS, hangs.to_string());
    command.env(LOCKS, locks.to_string());
    command.env(INPUTS, u8::from(input).to_string());
    command.env(STORES, u8::from(store).to_string());
}

fn parse(text: &str) -> Option<(Pid, WorkerRole)> {
    let suffixed = |(suffix, role)| Some((text.strip_suffix(suffix)?, role));
    let suffixed =
        [(SUCCESSOR, WorkerRole::Successor), (AGAIN, WorkerRole::Restarted)].into_iter().find_map(suffixed);
    let (pid, role) = suffixed.unwrap_or((text, WorkerRole::First));
    Some((Pid::from_raw(pid.parse().ok()?)?, role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_parses_what_its_supervisor_sets() {
        for role in [WorkerRole::First, WorkerRole::Restarted, WorkerRole::Successor] {
            let mut command = Command::new("true");
            set_environment(&mut command, role, 0, 0, false, false);
            let value = command.get_envs().find_map(|(name, value)| (name == VARIABLE).then_some(value?));
            assert_eq!(value.and_then(|value| parse(value.to_str()?)), Some((getpid(), role)));
        }
        for wrong in ["", "0", "x", "12,", ",successor"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
