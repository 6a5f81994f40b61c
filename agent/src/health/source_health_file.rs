//! The file with the health of sources: their failures and last alarms. It is written at the alarm itself.
//!
//! It is no part of the checkpoint, because it is written by the thread that reads the source and must be on disk before
//! the alarm is logged, and because two processes write it during a hand-over: each reads it, changes it and replaces it
//! under a lock. A hardware failure outlives a reboot, and so does the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use source::{HealthChange, HealthRecords, HealthStore};

use crate::checkpoint::{Disk, HostDisk, SaveError, WriteFailure, replace_file};

const FILE: &str = "source-health.json";
const TEMPORARY: &str = "source-health.tmp";
const CORRUPT: &str = "source-health.corrupt";
/// Held while the file is changed; it is never replaced.
const LOCK: &str = "source-health.lock";
/// The records are bounded, and far below this.
const MAX_FILE: usize = 4 * 1024 * 1024;

/// The records of a state directory, shared by the sources and by those who report that they cannot be stored.
#[derive(Clone, Debug)]
pub(crate) struct SourceHealthFile(Arc<HealthFileShared>);

#[derive(Debug)]
struct HealthFileShared {
    disk: HostDisk,
    state: Mutex<HealthFileState>,
}

#[derive(Debug, Default)]
struct HealthFileState {
    /// The records as this process read or wrote them last: they replace a file that was lost.
    last: HealthRecords,
    /// Changes that could not be written.
    unsaved: Vec<HealthChange>,
    failure: Option<WriteFailure>,
}

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
enum HealthLoadError {
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} does not hold the health of sources: {source}; it is kept as {CORRUPT}", path = path.display())]
    Parse { path: PathBuf, source: serde_json::Error },
}

impl SourceHealthFile {
    /// The file need not exist.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let disk = HostDisk::new(state_dir);
        Self(Arc::new(HealthFileShared { disk, state: Mutex::default() }))
    }

    /// Why the last changes could not be written, if they could not.
    pub(crate) fn unwritable(&self) -> Option<WriteFailure> {
        self.state().failure.clone()
    }

    /// Tries again to write what could not be written.
    pub(crate) fn retry(&self) {
        if self.unwritable().is_some() {
            self.record(&[]);
        }
    }

    fn state(&self) -> MutexGuard<'_, HealthFileState> {
        // Consistent after each statement.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Option<HealthRecords>, HealthLoadError> {
        let disk = &self.0.disk;
        let path = || disk.path(FILE);
        let file =
            disk.read(FILE, MAX_FILE).map_err(|source| HealthLoadError::Read { path: path(), source })?;
        let Some(file) = file else { return Ok(None) };
        serde_json::from_slice(&file).map(Some).map_err(|source| {
            // If that fails, the next write replaces it.
            let _ = disk.rename(FILE, CORRUPT);
            HealthLoadError::Parse { path: path(), source }
        })
    }

    fn write(&self, state: &mut HealthFileState) -> Result<(), SaveError> {
        let disk = &self.0.disk;
        let _lock = self.lock()?;
        // A file that cannot be read is replaced by what this process knows.
        let mut records = self.read().ok().flatten().unwrap_or_else(|| state.last.clone());
        for change in &state.unsaved {
            change.apply(&mut records);
        }
        let json = serde_json::to_vec(&records).expect("strings, integers and lists can be JSON");
        replace_file(disk, TEMPORARY, FILE, &json)?;
        state.last = records;
        Ok(())
    }

    /// Released when it is dropped, or with the process.
    fn lock(&self) -> Result<File, SaveError> {
        let disk = &self.0.disk;
        let path = || disk.path(LOCK);
        disk.make_dir().map_err(|source| SaveError::MakeDir { path: path(), source })?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = open(path(), flags, Mode::RUSR | Mode::WUSR).map(File::from);
        let file = file.map_err(|errno| SaveError::Create { path: path(), source: errno.into() })?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| SaveError::Create { path: path(), source: errno.into() })?;
        Ok(file)
    }
}

impl HealthStore for SourceHealthFile {
    fn load(&self) -> Option<HealthRecords> {
        let loaded = self.read().map(Option::unwrap_or_default);
        match loaded {
            Ok(mut records) => {
                let mut state = self.state();
                for change in &state.unsaved {
                    change.apply(&mut records);
                }
                state.last.clone_from(&records);
                Some(records)
            }
            Err(error) => {
                tracing::error!(%error, "failures of sources before this start are unknown: check all sources");
                None
            }
        }
    }

    fn record(&self, changes: &[HealthChange]) {
        let mut state = self.state();
        state.unsaved.extend_from_slice(changes);
        let failure = match self.write(&mut state) {
            Ok(()) => {
                state.unsaved.clear();
                None
            }
            Err(error) => {
                let message = format!(
                    "{error}; serving continues, but a restart forgets which sources failed: {}",
                    error.remedy()
                );
                Some(WriteFailure { reason: error.reason(), message })
            }
        };
        match (&state.failure, &failure) {
            (Some(_), None) => tracing::info!("health of sources writable again"),
            (Some(before), Some(now)) if before.reason == now.reason => {}
            (_, Some(WriteFailure { reason, message })) => {
                tracing::error!(reason, error = message, "failed to write the health of sources");
            }
            (None, None) => {}
        }
        state.failure = failure;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn records(json: &str) -> HealthRecords {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn records_are_read_as_they_were_written_and_a_missing_file_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = SourceHealthFile::new(&dir.path().join("state"));
        assert_eq!(file.load(), Some(HealthRecords::default()));
        file.record(&[]);
        assert_eq!((file.load(), file.unwritable()), (Some(HealthRecords::default()), None));
        let mode = fs::metadata(dir.path().join("state").join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_corrupt_file_is_set_aside_and_a_lost_one_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let known = r#"{"failures":[{"source":"device /dev/a","pool":"p","claim":8000,"reason":"Loop","message":"m"}]}"#;
        fs::write(&path, known).unwrap();
        let file = SourceHealthFile::new(dir.path());
        assert_eq!(file.load(), Some(records(known)));
        fs::remove_file(&path).unwrap();
        file.record(&[]);
        assert_eq!(SourceHealthFile::new(dir.path()).load(), Some(records(known)));
        fs::write(&path, "{").unwrap();
        assert_eq!(SourceHealthFile::new(dir.path()).load(), None);
        assert!(dir.path().join(CORRUPT).exists());
        file.record(&[]);
        assert_eq!(SourceHealthFile::new(dir.path()).load(), Some(records(known)));
    }

    #[test]
    fn a_failed_write_is_reported_and_made_good() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("state");
        fs::write(&blocked, "").unwrap();
        let file = SourceHealthFile::new(&blocked);
        file.record(&[]);
        let failure = file.unwritable().unwrap();
        assert!(failure.message.contains("a restart forgets which sources failed"), "{}", failure.message);
        fs::remove_file(&blocked).unwrap();
        file.retry();
        assert_eq!(file.unwritable(), None);
    }
}
