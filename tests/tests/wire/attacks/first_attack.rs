//! Priority over what else runs on the machine: a wait that others cause must not pass for one that an attack causes.

use std::fs;

use rustix::process::{getpriority_process, setpriority_process};

const NICE: i32 = -15;
/// Where the scheduler shares between sessions first, priorities count within each.
const SESSION: &str = "/proc/self/autogroup";

/// While it lives, this thread, all that it starts and the session they are in go first. Among themselves they are
/// equals, so an attack hurts the daemon as it would on a machine that does nothing else.
pub(super) struct First {
    before: i32,
}

impl First {
    /// Nothing where that is not allowed: it takes root, or `CAP_SYS_NICE`.
    pub(super) fn go() -> Option<Self> {
        let before = getpriority_process(None).ok()?;
        setpriority_process(None, NICE).ok()?;
        // Without such a file there is no such sharing.
        let _ = fs::write(SESSION, NICE.to_string());
        Some(Self { before })
    }
}

impl Drop for First {
    fn drop(&mut self) {
        let _ = fs::write(SESSION, "0");
        let _ = setpriority_process(None, self.before);
    }
}
