//! The directories a daemon needs.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::args::RunArgs;

/// Makes all of them, and says what is wrong with those that cannot be used.
pub(super) fn prepare(args: &RunArgs) -> Vec<String> {
    let wanted = [
        ("--run-dir", args.run_dir.clone(), 0o755),
        ("--state-dir", args.state_dir.clone(), 0o700),
        ("--socket-dir", args.socket_dir(), 0o755),
    ];
    wanted.into_iter().filter_map(|(flag, dir, mode)| one(flag, &dir, mode).err()).collect()
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
