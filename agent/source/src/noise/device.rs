//! A character device, such as `/dev/hwrng`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, makedev};
use rustix::io::{Errno, read};

use super::hwrng::{CurrentGenerator, Hwrng};
use super::provenance::{Provenance, SourceIdentity, numbers};
use super::terminal::RawMode;
use super::{Noise, OpenError};

/// The kernel's generator as a device, `/dev/random` and `/dev/urandom`: `drivers/char/mem.c`.
const KERNEL_GENERATOR: [(u32, u32); 2] = [(1, 8), (1, 9)];

#[derive(Debug)]
pub(super) struct Device {
    /// Before the file, which it needs to restore the settings.
    _raw_mode: Option<RawMode>,
    file: OwnedFd,
    provenance: Arc<Provenance>,
    /// Of `/dev/hwrng`.
    generator: Option<CurrentGenerator>,
}

impl Device {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, &Hwrng::default())
    }

    /// What a symbolic link names is looked up once: what is open stays open, wherever the link leads later.
    fn open_with(path: &Path, hwrng: &Hwrng) -> Result<Self, OpenError> {
        let failed = |source: io::Error| OpenError::Open { path: path.to_owned(), source };
        let resolved = path.canonicalize().map_err(failed)?;
        // Opening a device may have effects: that of a DRBG is not opened.
        let refuse_drbg = |stat: &Stat| {
            let generator = || format!("the kernel's generator ({})", numbers(stat.st_rdev));
            if is_kernel_generator(stat.st_rdev) { Err(deterministic(path, &generator())) } else { Ok(()) }
        };
        let (file, stat) = open_as(&resolved, FileType::CharacterDevice, "character device", refuse_drbg)?;
        let generator = (stat.st_rdev == hwrng.device).then(|| CurrentGenerator::read(&hwrng.rng_current));
        if let Some(generator) = generator.as_ref().filter(|generator| generator.is_deterministic()) {
            return Err(deterministic(path, &generator.name().unwrap_or_default()));
        }
        let raw_mode = RawMode::enter(&file, stat.st_rdev)
            .map_err(|errno| OpenError::Terminal { path: path.to_owned(), source: errno.into() })?;
        let mut provenance = Provenance::of(SourceIdentity::Device(stat.st_rdev));
        if resolved != path {
            provenance = provenance.resolved_to(resolved);
        }
        if let Some(generator) = &generator {
            provenance = provenance.nested(generator.nesting(), generator.name());
        }
        Ok(Self { _raw_mode: raw_mode, file, provenance: Arc::new(provenance), generator })
    }
}

impl Noise for Device {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = read_once(|| read(&self.file, &mut *space))?;
        // What was read may come from either: it is lost with the error.
        match self.generator.as_ref().map_or(Ok(()), CurrentGenerator::check) {
            Ok(()) => Ok(count),
            Err(changed) => {
                space.fill(0);
                Err(io::Error::other(changed))
            }
        }
    }

    fn readiness(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        Some((self.file.as_fd(), PollFlags::IN))
    }

    fn provenance(&self) -> Arc<Provenance> {
        Arc::clone(&self.provenance)
    }
}

fn is_kernel_generator(device: u64) -> bool {
    KERNEL_GENERATOR.iter().any(|(major, minor)| device == makedev(*major, *minor))
}

fn deterministic(path: &Path, generator: &str) -> OpenError {
    OpenError::Deterministic { path: path.to_owned(), generator: generator.to_owned() }
}

/// Opens a file that must be of this type, and no link. It is checked before it is opened for reading: opening a device
/// may have effects, and opening a file of another type must have none.
pub(super) fn open_as(
    path: &Path,
    wanted: FileType,
    expected: &'static str,
    check: impl Fn(&Stat) -> Result<(), OpenError>,
) -> Result<(OwnedFd, Stat), OpenError> {
    let failed = |errno: Errno| OpenError::Open { path: path.to_owned(), source: errno.into() };
    let examine = |file: &OwnedFd| {
        let stat = fstat(file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != wanted {
            return Err(OpenError::WrongType { path: path.to_owned(), expected });
        }
        check(&stat).map(|()| stat)
    };
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    examine(&rustix::fs::open(path, flags | OFlags::PATH, Mode::empty()).map_err(failed)?)?;
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    // It may have been replaced in between.
    let stat = examine(&opened)?;
    Ok((opened, stat))
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
#[path = "device_tests.rs"]
mod tests;
