//! A file system that does not answer.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::output;

/// A FUSE mount whose server never says a word: whoever looks into it waits, as on a network that is gone.
pub struct HungMount {
    path: PathBuf,
    /// The server's end: the mount answers with an error once it is closed.
    server: Option<File>,
}

impl HungMount {
    /// Needs root, and `/dev/fuse`.
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let server = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .expect("/dev/fuse, for a mount that hangs");
        // For the command alone.
        fcntl_setfd(&server, FdFlags::empty()).unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
        let mut mount = Command::new("mount");
        let mounted = output(mount.args(["-i", "-t", "fuse", "-o", &options, "hung"]).arg(path));
        fcntl_setfd(&server, FdFlags::CLOEXEC).unwrap();
        assert!(mounted.status.success(), "a mount that hangs needs root: {mounted:?}");
        Self { path: path.to_owned(), server: Some(server) }
    }

    /// Takes it away: whoever waited gets an error, and the directory below is there again.
    pub fn end(&mut self) {
        if let Some(server) = self.server.take() {
            // First, so that nobody comes to a mount without a server.
            let _ = Command::new("umount").arg("-l").arg(&self.path).output();
            drop(server);
        }
    }
}

impl Drop for HungMount {
    fn drop(&mut self) {
        self.end();
    }
}
