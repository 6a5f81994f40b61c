//! A regular file, for tests. It is never rewound, since its bytes would be served twice.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::event::PollFlags;
use rustix::fs::FileType;
use rustix::io::pread;

use super::device::{open_as, read_once};
use super::provenance::{Provenance, SourceIdentity};
use super::{Noise, OpenError};
use crate::waker::lock;

/// How far a file was read. It outlives the open file, so that no byte is read twice.
pub(crate) type Position = Arc<Mutex<u64>>;

#[derive(Debug)]
pub(super) struct File {
    fd: OwnedFd,
    position: Position,
    provenance: Arc<Provenance>,
}

impl File {
    pub(super) fn open(path: &Path, position: &Position) -> Result<Self, OpenError> {
        let (fd, stat) = open_as(path, FileType::RegularFile, "regular file", |_| Ok(()))?;
        let provenance = Provenance::of(SourceIdentity::Inode(stat.st_dev, stat.st_ino));
        let provenance = path.canonicalize().map_or(provenance.clone(), |file| provenance.with_file(file));
        Ok(Self { fd, position: Arc::clone(position), provenance: Arc::new(provenance) })
    }
}

impl Noise for File {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut position = lock(&self.position);
        let count = read_once(|| pread(&self.fd, &mut *space, *position))?;
        *position += count as u64;
        Ok(count)
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        None
    }

    fn provenance(&self) -> Arc<Provenance> {
        Arc::clone(&self.provenance)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_opened_again_continues_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, b"abcdef").unwrap();
        let (position, mut space, mut got) = (Position::default(), [0; 4], Vec::<u8>::new());
        for expected in [4, 2, 0] {
            let count = File::open(&path, &position).unwrap().read(&mut space).unwrap();
            assert_eq!(count, expected);
            got.extend(&space[..count]);
        }
        assert_eq!(got, b"abcdef");
        std::fs::write(&path, b"abcdefgh").unwrap();
        assert_eq!(File::open(&path, &position).unwrap().read(&mut space).unwrap(), 2);
        assert_eq!(space[..2], *b"gh");
    }

    #[test]
    fn a_device_is_not_a_file() {
        let refused = File::open(Path::new("/dev/zero"), &Position::default()).err().unwrap();
        assert_eq!(refused.to_string(), "/dev/zero is not a regular file");
    }
}
