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

/// This process, if it is a worker.
#[derive(Debug)]
pub struct Worker {
    successor: bool,
    passed: Vec<Passed>,
}

impl Worker {
    /// This process as a worker; `None` if nobody supervises it. From now on it dies with its supervisor. To be called
    /// before anything is opened.
    pub fn here() -> io::Result<Option<Self>> {
        let Some((supervisor, successor)) = env::var(VARIABLE).ok().and_then(|text| parse(&text)) else {
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
        Ok(Some(Self { successor, passed: passed_to(supervisor) }))
    }

    /// Whether the supervisor wants it to take over from the worker that serves.
    pub fn is_successor(&self) -> bool {
        self.successor
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
pub(super) fn appoint(command: &mut Command, successor: bool) {
    let suffix = if successor { SUCCESSOR } else { "" };
    command.env(VARIABLE, format!("{}{suffix}", getpid().as_raw_nonzero()));
}

fn parse(text: &str) -> Option<(Pid, bool)> {
    let (pid, successor) = match text.strip_suffix(SUCCESSOR) {
        Some(pid) => (pid, true),
        None => (text, false),
    };
    Some((Pid::from_raw(pid.parse().ok()?)?, successor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_says_is_what_its_worker_hears() {
        for successor in [false, true] {
            let mut command = Command::new("true");
            appoint(&mut command, successor);
            let said = command.get_envs().find_map(|(name, value)| (name == VARIABLE).then_some(value?));
            assert_eq!(said.and_then(|said| parse(said.to_str()?)), Some((getpid(), successor)));
        }
        for wrong in ["", "0", "x", "12,", ",successor"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
