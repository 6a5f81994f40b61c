//! The state of a worker as seen in `/proc` and its heartbeat, without waking it.

use std::fs;
use std::os::fd::AsFd;

use super::restart_policy::WorkerId;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcStatus {
    /// Its event loop sleeps, and would wake for work.
    pub(super) idle: bool,
    /// A debugger is attached.
    pub(super) traced: bool,
}

impl ProcStatus {
    /// The status of a process whose event loop writes to `heartbeat` whether it sleeps. A process that `/proc` hides counts as
    /// neither idle nor traced.
    pub(super) fn of(id: WorkerId, heartbeat: Option<impl AsFd>) -> Self {
        let Ok(status) = fs::read_to_string(format!("/proc/{id}/status")) else { return Self::default() };
        let mut byte = [0];
        let read = heartbeat.map(|heartbeat| rustix::io::pread(heartbeat, &mut byte, 0));
        Self::from(&status, matches!(read, Some(Ok(1))) && byte == [dataplane::ASLEEP])
    }

    fn from(status: &str, sleeps: bool) -> Self {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        // A stopped process does not wake, even if its loop sleeps. A stop affects all threads.
        let stopped = field("State:").is_none_or(|state| state.starts_with(['T', 't']));
        Self { idle: sleeps && !stopped, traced: field("TracerPid:").is_some_and(|pid| pid != "0") }
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
    fn a_worker_is_idle_when_its_loop_sleeps_and_it_is_not_stopped() {
        let idle =
            |state: &str, sleeps| ProcStatus::from(&STATUS.replace("S (sleeping)", state), sleeps).idle;
        assert!(idle("S (sleeping)", true) && !idle("S (sleeping)", false));
        // The state is that of the main thread, which is not the event loop.
        assert!(idle("R (running)", true) && idle("D (disk sleep)", true));
        assert!(!idle("T (stopped)", true) && !idle("t (tracing stop)", true));
        assert_eq!(ProcStatus::from("", true), ProcStatus::default());
    }

    #[test]
    fn a_debugger_is_seen() {
        assert!(!ProcStatus::from(STATUS, true).traced);
        assert!(ProcStatus::from(&STATUS.replace("TracerPid:\t0", "TracerPid:\t77"), true).traced);
    }

    #[test]
    fn a_stopped_process_is_not_idle() {
        let heartbeat = NamedTempFile::new().unwrap();
        fs::write(&heartbeat, [dataplane::ASLEEP]).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let status = || ProcStatus::of(pid.as_raw_nonzero().get(), Some(heartbeat.as_file()));
        let before = status();
        kill_process(pid, Signal::STOP).unwrap();
        waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        let stopped = status();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((before.idle, stopped.idle), (true, false));
        assert_eq!(status(), ProcStatus::default(), "the process has exited");
        assert_eq!(ProcStatus::of(WorkerId::MAX, None::<&fs::File>), ProcStatus::default());
    }
}
