//! The program that workers run: the one that is on disk, or the supervisor's own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of this process, which the kernel starts though its file was removed.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// Identifies the contents of a program's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProgramId {
    inode: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

/// The program of this process with its arguments.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    /// On disk, it is known to serve.
    serves: Option<ProgramId>,
    /// On disk, it is known not to.
    fails: Option<ProgramId>,
}

impl Program {
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self::new(env::current_exe()?, env::args_os().skip(1).collect()))
    }

    fn new(path: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { path, arguments, serves: None, fails: None }
    }

    /// The program that is on disk now.
    pub(super) fn on_disk(&self) -> Option<ProgramId> {
        ProgramId::of(&self.path)
    }

    /// The program to run: the one that is on disk now, which may be a newer one. The one of this process, which returns
    /// `None`, if there is none on disk, or if that has failed and this is no planned restart: a crash is served whatever
    /// an upgrade has put there.
    pub(super) fn choose(&self, succeeds: bool) -> Option<ProgramId> {
        self.on_disk().filter(|id| succeeds || Some(*id) != self.fails)
    }

    /// Runs the program that was chosen.
    pub(super) fn command(&self, chosen: Option<ProgramId>) -> Command {
        let mut command =
            Command::new(if chosen.is_some() { &self.path } else { Path::new(RUNNING_PROGRAM) });
        command.args(&self.arguments);
        command
    }

    /// A worker of this program serves.
    pub(super) fn served(&mut self, id: Option<ProgramId>) {
        self.serves = id.or(self.serves);
        if self.fails == id {
            self.fails = None;
        }
    }

    /// A worker of this program ended before it served, or could not be started. If the program of this process fails as
    /// well, the one on disk is tried again.
    pub(super) fn failed(&mut self, id: Option<ProgramId>) {
        if id.is_none() || id != self.serves {
            self.fails = id;
        }
    }
}

impl ProgramId {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            inode: (found.dev(), found.ino()),
            length: found.len(),
            changed: (found.mtime(), found.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_crash_is_not_served_by_a_program_that_failed_unless_it_served_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("entropool");
        let put = |text: &str| {
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &path).unwrap();
        };
        put("first");
        let mut program = Program::new(path.clone(), Vec::new());
        let first = program.choose(false);
        assert!(first.is_some());
        program.served(first);
        program.failed(first);
        assert_eq!(program.choose(false), first, "it served before");
        put("an upgrade");
        let upgrade = program.choose(true);
        assert!(upgrade.is_some() && upgrade != first);
        program.failed(upgrade);
        assert_eq!(program.choose(false), None, "the program of the supervisor");
        assert_eq!(program.choose(true), upgrade, "whoever asks for it gets it");
        program.failed(None);
        assert_eq!(program.choose(false), upgrade, "in turn");
        program.failed(upgrade);
        put("one that works");
        assert_ne!(program.choose(false), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(program.choose(true), None);
        assert_eq!(program.command(None).get_program(), RUNNING_PROGRAM);
    }
}
