//! The worker's side: what it knows of its supervisor, and says to it.

use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::process::Command;

use super::passed::{Passed, passed_to};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Tells a process that it is a worker, and of whom.
const VARIABLE: &str = "ENTROPOOL_SUPERVISOR";
/// Behind the supervisor's id where the worker is to take over from another one.
const SUCCESSOR: &str = ",successor";
/// Behind it where one before has served, and died.
const AGAIN: &str = ",again";

/// Why a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
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
    role: Role,
    passed: Vec<Passed>,
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
        Ok(Some(Self { role, passed: passed_to(supervisor) }))
    }

    /// Whether the supervisor wants it to take over from the worker that serves.
    pub fn is_successor(&self) -> bool {
        self.role == Role::Successor
    }

    /// Whether its supervisor has seen one before it serve with the same arguments: what these say of VMs was right, and
    /// if it is not any more, all others are to be served nevertheless.
    pub fn comes_again(&self) -> bool {
        self.role == Role::Again
    }

    /// What a service manager kept of the process before its supervisor, once.
    pub fn passed(&mut self) -> Vec<Passed> {
        std::mem::take(&mut self.passed)
    }

    /// Says that it serves. Standard input is the way to the supervisor.
    pub fn serves(&self) {
        // One that does not hear it has died, and this process dies with it.
        let _ = rustix::io::write(io::stdin().as_fd(), &[super::SERVES]);
    }
}

/// Tells a command that it will be a worker of this process.
pub(super) fn appoint(command: &mut Command, role: Role) {
    let suffix = match role {
        Role::First => "",
        Role::Again => AGAIN,
        Role::Successor => SUCCESSOR,
    };
    command.env(VARIABLE, format!("{}{suffix}", getpid().as_raw_nonzero()));
}

fn parse(text: &str) -> Option<(Pid, Role)> {
    let suffixed = |(suffix, role)| Some((text.strip_suffix(suffix)?, role));
    let suffixed = [(SUCCESSOR, Role::Successor), (AGAIN, Role::Again)].into_iter().find_map(suffixed);
    let (pid, role) = suffixed.unwrap_or((text, Role::First));
    Some((Pid::from_raw(pid.parse().ok()?)?, role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_says_is_what_its_worker_hears() {
        for role in [Role::First, Role::Again, Role::Successor] {
            let mut command = Command::new("true");
            appoint(&mut command, role);
            let said = command.get_envs().find_map(|(name, value)| (name == VARIABLE).then_some(value?));
            assert_eq!(said.and_then(|said| parse(said.to_str()?)), Some((getpid(), role)));
        }
        for wrong in ["", "0", "x", "12,", ",successor"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
