//! A character device, such as `/dev/hwrng`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::{Errno, read};

use super::{Noise, OpenError};

#[derive(Debug)]
pub(super) struct Device(OwnedFd);

impl Device {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        open_as(path, FileType::CharacterDevice, "character device").map(Self)
    }
}

impl Noise for Device {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        read_once(|| read(&self.0, &mut *space))
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.0.as_fd(), PollFlags::IN))
    }
}

/// Opens a file that must be of this type. The type is checked before the file is opened for reading: opening a device
/// may have effects, and opening a file of another type must have none.
pub(super) fn open_as(path: &Path, wanted: FileType, expected: &'static str) -> Result<OwnedFd, OpenError> {
    let failed = |errno: Errno| OpenError::Open { path: path.to_owned(), source: errno.into() };
    let wrong = || OpenError::WrongType { path: path.to_owned(), expected };
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path_fd = rustix::fs::open(path, flags | OFlags::PATH, Mode::empty()).map_err(failed)?;
    if FileType::from_raw_mode(fstat(&path_fd).map_err(failed)?.st_mode) != wanted {
        return Err(wrong());
    }
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    // It may have been replaced in between.
    if FileType::from_raw_mode(fstat(&opened).map_err(failed)?.st_mode) == wanted {
        Ok(opened)
    } else {
        Err(wrong())
    }
}

/// Repeats a call that a signal interrupted.
pub(super) fn read_once(mut read: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
    loop {
        match read() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(path: &Path) -> String {
        Device::open(path).err().unwrap().to_string()
    }

    #[test]
    fn a_device_is_read() {
        let mut device = Device::open(Path::new("/dev/urandom")).unwrap();
        let mut space = [0; 64];
        assert_eq!(device.read(&mut space).unwrap(), 64);
        assert_ne!(space, [0; 64]);
        assert!(device.readiness().is_some());
    }

    #[test]
    fn the_end_of_a_device_differs_from_no_bytes_yet() {
        assert_eq!(Device::open(Path::new("/dev/null")).unwrap().read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn anything_but_a_character_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "not random").unwrap();
        std::os::unix::fs::symlink("/dev/urandom", &link).unwrap();
        for path in [folder.path(), &file, &link] {
            assert_eq!(refusal(path), format!("{} is not a character device", path.display()));
        }
    }

    #[test]
    fn a_missing_device_is_named() {
        assert_eq!(
            refusal(Path::new("/dev/missing")),
            "/dev/missing cannot be opened: No such file or directory (os error 2)"
        );
    }
}
