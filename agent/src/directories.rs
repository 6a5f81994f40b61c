//! The directories a daemon needs.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::checkpoint::SLOTS;

/// Where a daemon keeps what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// `--run-dir`: `api.sock`.
    pub run: PathBuf,
    /// `--state-dir`: what outlives a restart.
    pub state: PathBuf,
    /// `--socket-dir`: the VMs' sockets.
    pub socket: PathBuf,
}

/// The directories that were made for a daemon. Unless it starts they go again, as far as nothing is in them.
#[derive(Debug, Default)]
pub struct CreatedDirectories(Vec<PathBuf>);

impl CreatedDirectories {
    /// The daemon has started.
    pub fn keep(mut self) {
        self.0.clear();
    }

    /// Notes which directories will be made for `dir`, the outermost first.
    fn expect(&mut self, dir: &Path) {
        let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        self.0.extend(missing.into_iter().rev());
    }
}

impl Drop for CreatedDirectories {
    fn drop(&mut self) {
        // One that is not empty is somebody's.
        self.0.iter().rev().for_each(|dir| drop(fs::remove_dir(dir)));
    }
}

impl Directories {
    /// Makes all of them, and says what is wrong with those that cannot be used.
    pub fn prepare(&self) -> (CreatedDirectories, Vec<String>) {
        let wanted = [
            ("--run-dir", &self.run, 0o755),
            ("--state-dir", &self.state, 0o700),
            ("--socket-dir", &self.socket, 0o755),
        ];
        let mut made = CreatedDirectories::default();
        let unusable = wanted.into_iter().filter_map(|(flag, dir, mode)| {
            made.expect(dir);
            let sentence = one(flag, dir, mode).err()?;
            if dir == &self.state && SLOTS.iter().any(|slot| dir.join(slot).exists()) {
                // A disk that has failed meanwhile is no reason not to serve what is on it.
                tracing::warn!(sentence, "what is new will not be kept");
                return None;
            }
            Some(sentence)
        });
        let unusable = unusable.collect();
        (made, unusable)
    }
}

fn one(flag: &str, dir: &Path, mode: u32) -> Result<(), String> {
    let shown = dir.display();
    match DirBuilder::new().recursive(true).mode(mode).create(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
            return Err(format!("{shown} is not a directory: choose another with {flag}"));
        }
        Err(error) => {
            return Err(format!("cannot make the directory {shown}: {error}; choose another with {flag}"));
        }
        Ok(()) => {}
    }
    // A read-only file system refuses here, even root.
    accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(|errno| {
        format!("cannot write to the directory {shown}: {errno}; choose another with {flag}")
    })
}
