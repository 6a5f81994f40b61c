//! The directories of a daemon.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::checkpoint::SLOTS;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// `--run-dir`: `api.sock`, `handover.sock` and the crash state.
    pub run: PathBuf,
    /// `--state-dir`: the checkpoint.
    pub state: PathBuf,
    /// `--socket-dir`: the VMs' sockets.
    pub socket: PathBuf,
}

/// The directories that were created for a daemon. Unless it starts, those that are empty are removed again.
#[derive(Debug, Default)]
pub(crate) struct CreatedDirectories(Vec<PathBuf>);

impl CreatedDirectories {
    /// The daemon has started.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }

    /// Records which directories will be created for `dir`, the outermost first.
    fn record_missing(&mut self, dir: &Path) {
        let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        self.0.extend(missing.into_iter().rev());
    }
}

impl Drop for CreatedDirectories {
    fn drop(&mut self) {
        // Directories that are not empty remain.
        self.0.iter().rev().for_each(|dir| drop(fs::remove_dir(dir)));
    }
}

impl Directories {
    /// The same as absolute paths.
    pub(crate) fn absolute(&self) -> io::Result<Self> {
        Ok(Self { run: absolute(&self.run)?, state: absolute(&self.state)?, socket: absolute(&self.socket)? })
    }

    pub(crate) fn api_socket(&self) -> PathBuf {
        self.run.join("api.sock")
    }

    /// The flag of each, with its directory.
    pub(crate) fn named(&self) -> [(&'static str, &Path); 3] {
        [("--run-dir", &self.run), ("--state-dir", &self.state), ("--socket-dir", &self.socket)]
    }

    /// Creates all of them. Returns a message for each that cannot be used.
    pub(crate) fn prepare(&self) -> (CreatedDirectories, Vec<String>) {
        let modes = [0o755, 0o700, 0o755];
        let mut created = CreatedDirectories::default();
        let unusable = self.named().into_iter().zip(modes).filter_map(|((flag, dir), mode)| {
            created.record_missing(dir);
            let problem = prepare_one(flag, dir, mode).err()?;
            if dir == self.state && SLOTS.iter().any(|slot| dir.join(slot).exists()) {
                // A checkpoint on a read-only disk is still used.
                tracing::warn!(problem, "the checkpoint will not be updated");
                return None;
            }
            Some(problem)
        });
        let unusable = unusable.collect();
        (created, unusable)
    }
}

fn prepare_one(flag: &str, dir: &Path, mode: u32) -> Result<(), String> {
    let shown = dir.display();
    match DirBuilder::new().recursive(true).mode(mode).create(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
            return Err(format!("{shown} is not a directory: choose another with {flag}"));
        }
        Err(error) => {
            return Err(format!("cannot create the directory {shown}: {error}; choose another with {flag}"));
        }
        Ok(()) => {}
    }
    // A read-only file system refuses here, even root.
    accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(|errno| {
        format!("cannot write to the directory {shown}: {errno}; choose another with {flag}")
    })
}
