//! The start time of a pod, which tells the newer of two pods.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// When the pod of a process started, in nanoseconds of the file system's clock.
///
/// While one pod replaces another both run on the node. Only the newer one may ask the older one to hand over: otherwise
/// a container of the older pod that restarts would take back what it has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PodGeneration(u64);

impl PodGeneration {
    /// Reads the time of the file at `path`, which the first caller creates. It must be on a volume with the lifetime of
    /// the pod, so that a container that restarts finds it.
    pub(crate) fn of_file(path: &Path) -> io::Result<Self> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::metadata(path)?;
        let nanoseconds = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        u64::try_from(nanoseconds).map(Self).map_err(|_| {
            let message = format!("{} is from before 1970 or after 2554: set the clock", path.display());
            io::Error::new(ErrorKind::InvalidData, message)
        })
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// `None` if there is none in the message.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|bytes| Self(u64::from_be_bytes(*bytes)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_restarted_container_has_the_generation_of_its_pod() {
        let pods = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [older, newer] = pods.each_ref().map(|pod| pod.path().join("started"));
        let first = PodGeneration::of_file(&older).unwrap();
        assert_eq!(PodGeneration::of_file(&older).unwrap(), first);
        let file = fs::File::create(&newer).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_nanos(first.0 + 1)).unwrap();
        assert!(PodGeneration::of_file(&newer).unwrap() > first);
        assert_eq!(PodGeneration::of_bytes(&first.to_bytes()), Some(first));
        assert_eq!(PodGeneration::of_bytes(b"short"), None);
    }

    #[test]
    fn a_file_that_cannot_be_created_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        PodGeneration::of_file(&dir.path().join("missing/started")).unwrap_err();
    }
}
