//! When a pod first started: what tells which of two is the newer one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// When the pod of a process first started, in nanoseconds of the file system's clock.
///
/// Two pods serve a node for a while when one replaces the other. Only the newer may ask the older to hand over:
/// otherwise each container that is started again would take back what it has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodGeneration(u64);

impl PodGeneration {
    /// That of the pod whose file `path` is, made by whoever asks first. It has to be on a volume that lives and dies
    /// with the pod: a container that is started again finds it.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::metadata(path)?;
        let nanoseconds = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        u64::try_from(nanoseconds).map(Self).map_err(|_| {
            let sentence = format!("{} is from before 1970 or after 2554: set the clock", path.display());
            io::Error::new(ErrorKind::InvalidData, sentence)
        })
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// `None` where nothing was said.
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
    fn a_container_that_is_started_again_is_as_old_as_its_pod() {
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
    fn a_place_where_nothing_can_be_kept_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        PodGeneration::of_file(&dir.path().join("missing/started")).unwrap_err();
    }
}
