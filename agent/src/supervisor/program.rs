//! This very program, to be started again.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// What the kernel starts though its file was removed.
const RUNNING: &str = "/proc/self/exe";

/// Where this program lies and what it was told.
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self { path: env::current_exe()?, arguments: env::args_os().skip(1).collect() })
    }

    /// The same once more: the program that lies there now, which may be a newer one, else the one that runs.
    pub(super) fn again(&self) -> Command {
        let path = if self.path.exists() { self.path.clone() } else { PathBuf::from(RUNNING) };
        let mut command = Command::new(path);
        command.args(&self.arguments);
        command
    }
}
