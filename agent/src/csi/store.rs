//! The records of volumes, one file each, on a file system that a reboot empties.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::record::VolumeRecord;

const EXTENSION: &str = "json";
/// A record that was being written when its writer died. No volume id begins with a dot.
const TEMPORARY: &str = ".new";

/// A record that says nothing.
#[derive(Debug, thiserror::Error)]
#[error("the record {path} cannot be read: {source}", path = path.display())]
pub(crate) struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// A directory of records. A record is whole or not there: it is written under another name and renamed. Nothing is
/// synced, since what outlives a crash of the agent is the page cache, and nothing has to outlive one of the host.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens or makes it. Only the agent has a right to what is in it.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Every record, or why it cannot be read.
    pub(crate) fn load(&self) -> io::Result<Vec<Result<VolumeRecord, Unreadable>>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let misnamed = || io::Error::other("its name is not its volume's");
            let own = |record: &VolumeRecord| self.path(&record.volume_id) == path;
            let record = read(&path).and_then(|record| Some(record).filter(own).ok_or_else(misnamed));
            records.push(record.map_err(|source| Unreadable { path, source }));
        }
        Ok(records)
    }

    pub(crate) fn write(&self, record: &VolumeRecord) -> io::Result<()> {
        let temporary = self.directory.join(TEMPORARY);
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        fs::rename(&temporary, self.path(&record.volume_id))
    }

    pub(crate) fn remove(&self, volume_id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(volume_id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, volume_id: &str) -> PathBuf {
        self.directory.join(format!("{volume_id}.{EXTENSION}"))
    }
}

fn read(path: &Path) -> io::Result<VolumeRecord> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
