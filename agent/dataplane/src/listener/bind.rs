//! Binding a socket atomically: it appears at its path only when it is complete.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device and inode of a file.
pub type Inode = (u64, u64);

/// Binds a socket and renames it to `path`, replacing any file there; returns the socket and its inode. `bind` binds it at
/// the name `temporary` in the same directory and completes it, so that at `path` it listens and has its owner and mode.
/// `failed` converts an error of the file system.
pub fn bind_and_rename<S, E>(
    path: &Path,
    temporary: &str,
    bind: impl FnOnce(&Path) -> Result<S, E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<(S, Inode), E> {
    let temporary = path.with_file_name(temporary);
    // Left by a process that was killed between bind and rename.
    let _ = fs::remove_file(&temporary);
    let publish = || {
        let socket = bind(&temporary)?;
        let found = fs::symlink_metadata(&temporary).map_err(&failed)?;
        fs::rename(&temporary, path).map_err(&failed)?;
        Ok((socket, inode(&found)))
    };
    publish().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

pub fn inode(found: &Metadata) -> Inode {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_replaces_another_and_its_inode_is_returned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        for _ in 0..2 {
            let (_socket, file) =
                bind_and_rename(&path, ".a.new", |at| UnixListener::bind(at), |error| error).unwrap();
            assert_eq!(inode(&fs::symlink_metadata(&path).unwrap()), file);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        }
    }

    #[test]
    fn a_socket_that_cannot_be_completed_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let old = UnixListener::bind(&path).unwrap();
        let incomplete = |at: &Path| UnixListener::bind(at).and(Err::<(), _>(io::Error::other("no rights")));
        bind_and_rename(&path, ".a.new", incomplete, |error| error).unwrap_err();
        drop(old);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
