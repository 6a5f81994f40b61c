//! A checkpoint read by somebody who only looks.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use agent::checkpoint::{Checkpoint, Disk, HostDisk, Loaded, Warning};

/// Reads the checkpoint in `dir`. The daemon's own start would set a broken file aside; this leaves it alone.
pub(super) fn look(dir: &Path) -> Loaded {
    Checkpoint::open(ReadonlyCheckpoint(HostDisk::new(dir))).1
}

/// What a note says to who only looked.
pub(super) fn sentence(note: &Warning) -> String {
    match note {
        Warning::InTheWay { path, cause, .. } => {
            format!(
                "checkpoint {} is not used: {cause}; the daemon's next start sets it aside",
                path.display()
            )
        }
        other => other.to_string(),
    }
}

/// A disk that can be read.
#[derive(Debug)]
struct ReadonlyCheckpoint(HostDisk);

fn only_looking<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadonlyCheckpoint {
    type File = <HostDisk as Disk>::File;

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn make_dir(&self) -> io::Result<()> {
        only_looking()
    }

    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name, most)
    }

    fn create(&self, _: &str) -> io::Result<Self::File> {
        only_looking()
    }

    fn write(&self, _: &mut Self::File, _: &[u8]) -> io::Result<usize> {
        only_looking()
    }

    fn sync(&self, _: &Self::File) -> io::Result<()> {
        only_looking()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        only_looking()
    }

    fn sync_dir(&self) -> io::Result<()> {
        only_looking()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        only_looking()
    }
}
