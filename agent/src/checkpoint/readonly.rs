//! Reads a checkpoint without changing anything on disk.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::disk::{Disk, HostDisk};
use super::double_buffer::Checkpoint;
use super::error::LoadWarning;
use super::state::CheckpointState;

/// A checkpoint as another process's daemon would find it.
#[derive(Debug)]
pub struct InspectedCheckpoint {
    pub state: CheckpointState,
    pub warnings: Vec<String>,
}

/// Reads the checkpoint in `dir`. Invalid files, which a daemon sets aside when it starts, are left alone.
pub fn inspect_checkpoint(dir: &Path) -> InspectedCheckpoint {
    let (_, loaded) = Checkpoint::open(ReadonlyDisk(HostDisk::new(dir)));
    InspectedCheckpoint { state: loaded.state, warnings: loaded.warnings.iter().map(message).collect() }
}

fn message(warning: &LoadWarning) -> String {
    match warning {
        LoadWarning::Blocking { path, cause, .. } => {
            format!(
                "checkpoint {} is not used: {cause}; the daemon's next start sets it aside",
                path.display()
            )
        }
        other => other.to_string(),
    }
}

/// A disk on which every write fails.
#[derive(Debug)]
struct ReadonlyDisk(HostDisk);

fn read_only<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ReadonlyDisk {
    type File = <HostDisk as Disk>::File;

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn make_dir(&self) -> io::Result<()> {
        read_only()
    }

    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name, limit)
    }

    fn create(&self, _: &str) -> io::Result<Self::File> {
        read_only()
    }

    fn write(&self, _: &mut Self::File, _: &[u8]) -> io::Result<usize> {
        read_only()
    }

    fn sync(&self, _: &Self::File) -> io::Result<()> {
        read_only()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        read_only()
    }
}
