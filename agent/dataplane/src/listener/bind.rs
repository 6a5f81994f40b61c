//! Sockets that are never seen half made.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device and inode of a file.
pub type Inode = (u64, u64);

/// Makes a socket at `path`, in the place of whatever is there, and says which file that is. `bind` makes it under the
/// name `temporary` beside it and does all that it takes: whoever sees `path` sees it listening, with its owner and mode.
/// `failed` is the error of the file system.
pub fn bind_and_rename<S, E>(
    path: &Path,
    temporary: &str,
    bind: impl FnOnce(&Path) -> Result<S, E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<(S, Inode), E> {
    let temporary = path.with_file_name(temporary);
    // Left by a process that died between bind and rename.
    let _ = fs::remove_file(&temporary);
    let publish = || {
        let socket = bind(&temporary)?;
        let found = fs::symlink_metadata(&temporary).map_err(&failed)?;
        fs::rename(&temporary, path).map_err(&failed)?;
        Ok((socket, inode(&found)))
    };
    publish().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Which file that is.
pub fn inode(found: &Metadata) -> Inode {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_takes_the_place_of_another_and_is_the_file_that_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        for _ in 0..2 {
            let (_socket, file) =
                bind_and_rename(&path, ".a.new", |at| UnixListener::bind(at), |error| error).unwrap();
            assert_eq!(inode(&fs::symlink_metadata(&path).unwrap()), file);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left of its making");
        }
    }

    #[test]
    fn one_that_cannot_be_made_whole_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let living = UnixListener::bind(&path).unwrap();
        let half = |at: &Path| UnixListener::bind(at).and(Err::<(), _>(io::Error::other("no rights")));
        bind_and_rename(&path, ".a.new", half, |error| error).unwrap_err();
        drop(living);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
