//! What can be seen of a worker from outside. Looking at it does not wake it.

use std::fs;
use std::os::fd::AsFd;

use super::restart_policy::Id;

/// A worker at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcStatus {
    /// Its loop sleeps, and would wake for whatever there is to do.
    pub(super) rests: bool,
    /// Somebody debugs it.
    pub(super) traced: bool,
}

impl ProcStatus {
    /// Looks at a process whose loop tells `beat` whether it sleeps. One that cannot be seen, as where `/proc` hides it,
    /// may be doing anything.
    pub(super) fn of(id: Id, beat: Option<impl AsFd>) -> Self {
        let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else { return Self::default() };
        let mut byte = [0];
        let read = beat.map(|beat| rustix::io::pread(beat, &mut byte, 0));
        Self::from(&status, matches!(read, Some(Ok(1))) && byte == [dataplane::ASLEEP])
    }

    fn from(status: &str, sleeps: bool) -> Self {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        // One that was stopped wakes for nothing, however it lay down. A stop is of all threads.
        let stopped = field("State:").is_none_or(|state| state.starts_with(['T', 't']));
        Self { rests: sleeps && !stopped, traced: field("TracerPid:").is_some_and(|pid| pid != "0") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    use tempfile::NamedTempFile;

    use super::*;

    const STATUS: &str = "Name:\tentropool\nState:\tS (sleeping)\nTgid:\t12\nTracerPid:\t0\n";

    #[test]
    fn a_worker_rests_when_its_loop_sleeps_and_nobody_has_stopped_it() {
        let rests =
            |state: &str, sleeps| ProcStatus::from(&STATUS.replace("S (sleeping)", state), sleeps).rests;
        assert!(rests("S (sleeping)", true) && !rests("S (sleeping)", false));
        // The first thread may do whatever it wants: it is not the loop.
        assert!(rests("R (running)", true) && rests("D (disk sleep)", true));
        assert!(!rests("T (stopped)", true) && !rests("t (tracing stop)", true));
        assert_eq!(ProcStatus::from("", true), ProcStatus::default());
    }

    #[test]
    fn a_debugger_is_seen() {
        assert!(!ProcStatus::from(STATUS, true).traced);
        assert!(ProcStatus::from(&STATUS.replace("TracerPid:\t0", "TracerPid:\t77"), true).traced);
    }

    #[test]
    fn a_real_process_that_was_stopped_is_seen_so() {
        let beat = NamedTempFile::new().unwrap();
        fs::write(&beat, [dataplane::ASLEEP]).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let look = || ProcStatus::of(pid.as_raw_nonzero().get(), Some(beat.as_file()));
        let before = look();
        kill_process(pid, Signal::STOP).unwrap();
        waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        let stopped = look();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((before.rests, stopped.rests), (true, false));
        assert_eq!(look(), ProcStatus::default(), "and then it is gone");
        assert_eq!(ProcStatus::of(Id::MAX, None::<&fs::File>), ProcStatus::default());
    }
}
