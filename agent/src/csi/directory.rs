//! The directories of volumes, made and removed where no tenant's link can lead elsewhere.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, open, openat2, unlinkat};
use rustix::io::Errno;

use super::target::{LEAF, TargetPath};

/// What the agent puts into a volume: the socket, and the socket before it has its name.
const OURS: [&str; 2] = ["egd.sock", ".egd.new"];

/// Below a pod's directory there are links and mounts that its containers may have made or filled. None of them is
/// on the way to a volume of ours.
const WAY: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directories of a node's pods.
#[derive(Debug)]
pub(crate) struct PodDirectories {
    path: PathBuf,
}

impl PodDirectories {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the kubelet still has a directory for the volume.
    pub(crate) fn knows(&self, target: &TargetPath) -> io::Result<bool> {
        Ok(self.parent(target)?.is_some())
    }

    /// The volume's directory, made if need be.
    pub(crate) fn make(&self, target: &TargetPath) -> io::Result<OwnedFd> {
        let parent = self.parent(target)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        match mkdirat(&parent, LEAF, Mode::from_raw_mode(0o750)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(openat2(&parent, LEAF, DIRECTORY, Mode::empty(), WAY)?)
    }

    /// Whether the volume's socket is where it should be.
    pub(crate) fn has_socket(&self, target: &TargetPath) -> bool {
        let found = || {
            let directory = openat2(self.parent(target).ok()??, LEAF, DIRECTORY, Mode::empty(), WAY).ok()?;
            rustix::fs::statat(&directory, OURS[0], AtFlags::SYMLINK_NOFOLLOW).ok()
        };
        found().is_some_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_socket())
    }

    /// Removes what is ours of the volume, and the directory if nothing else is in it. One that is gone is removed.
    pub(crate) fn remove(&self, target: &TargetPath) -> io::Result<()> {
        let Some(parent) = self.parent(target)? else { return Ok(()) };
        let directory = match openat2(&parent, LEAF, DIRECTORY, Mode::empty(), WAY) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
        for name in OURS {
            gone(unlinkat(&directory, name, AtFlags::empty()))?;
        }
        drop(directory);
        gone(unlinkat(&parent, LEAF, AtFlags::REMOVEDIR))
    }

    /// The directory that the kubelet makes for the volume.
    fn parent(&self, target: &TargetPath) -> io::Result<Option<OwnedFd>> {
        // The way to the pods' directory itself is the operator's, and may have links.
        let pods = open(&self.path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        match openat2(pods.as_fd(), target.parent(), DIRECTORY, Mode::empty(), WAY) {
            Ok(parent) => Ok(Some(parent)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn gone(removed: Result<(), Errno>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
