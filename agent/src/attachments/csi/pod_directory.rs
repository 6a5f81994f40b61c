//! The directories of volumes: made and removed where no tenant's link can lead elsewhere, and labelled so that a
//! container may reach the socket.
//!
//! The kubelet relabels no volume that a container may only read, so the agent labels what it makes. The level is `s0`
//! without categories, which every container's level dominates: the mount decides which container sees the socket, and
//! the kubelet does not tell drivers the categories of a pod.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags, lsetxattr, mkdirat, open, openat2, setxattr,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::target::{LEAF, TargetPath};

/// The files that the agent makes in a volume: the socket, and the socket before it is renamed.
const OURS: [&str; 2] = ["egd.sock", ".egd.new"];

/// A pod's containers may have made links and mounts below its directory. None of them is on the path to a volume.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const SELINUX_ATTRIBUTE: &str = "security.selinux";
/// As `SELinux` stores a label: with a NUL byte at the end.
const CONTAINER_FILE: &[u8] = b"system_u:object_r:container_file_t:s0\0";

/// The directories of a node's pods.
#[derive(Debug)]
pub(super) struct PodDirectories {
    path: PathBuf,
    labels: SelinuxLabels,
}

impl PodDirectories {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, labels: SelinuxLabels::of_host() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the kubelet still has a directory for the volume.
    pub(super) fn exists(&self, target: &TargetPath) -> io::Result<bool> {
        Ok(self.parent(target)?.is_some())
    }

    /// Opens the volume's directory, which is created if necessary.
    pub(super) fn make(&self, target: &TargetPath) -> io::Result<OwnedFd> {
        let parent = self.parent(target)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        match mkdirat(&parent, LEAF, Mode::from_raw_mode(0o750)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(openat2(&parent, LEAF, DIRECTORY, Mode::empty(), RESOLVE)?)
    }

    /// Whether the volume's socket is where it should be.
    pub(super) fn has_socket(&self, target: &TargetPath) -> bool {
        let found = || {
            let directory =
                openat2(self.parent(target).ok()??, LEAF, DIRECTORY, Mode::empty(), RESOLVE).ok()?;
            statat(&directory, OURS[0], AtFlags::SYMLINK_NOFOLLOW).ok()
        };
        found().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket())
    }

    /// Labels a volume's directory. What is made in it has the directory's type.
    pub(super) fn label(&self, directory: BorrowedFd<'_>) -> io::Result<()> {
        self.labels.label_directory(directory)
    }

    pub(super) fn label_socket(&self, directory: BorrowedFd<'_>) -> io::Result<()> {
        self.labels.label_socket(directory)
    }

    /// Removes the agent's files, and the directory if nothing else is in it. A directory that does not exist is
    /// removed already.
    pub(super) fn remove(&self, target: &TargetPath) -> io::Result<()> {
        let Some(parent) = self.parent(target)? else { return Ok(()) };
        let directory = match openat2(&parent, LEAF, DIRECTORY, Mode::empty(), RESOLVE) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
        for name in OURS {
            ignore_missing(unlinkat(&directory, name, AtFlags::empty()))?;
        }
        drop(directory);
        ignore_missing(unlinkat(&parent, LEAF, AtFlags::REMOVEDIR))
    }

    /// The directory that the kubelet makes for the volume.
    fn parent(&self, target: &TargetPath) -> io::Result<Option<OwnedFd>> {
        // The operator chose the path of the pods' directory itself: it may have links.
        let pods = open(&self.path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        match openat2(pods.as_fd(), target.parent(), DIRECTORY, Mode::empty(), RESOLVE) {
            Ok(parent) => Ok(Some(parent)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn ignore_missing(removed: Result<(), Errno>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The labels of this host, which has none where `SELinux` is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SelinuxLabels {
    enabled: bool,
}

impl SelinuxLabels {
    fn of_host() -> Self {
        Self::from_filesystems(&fs::read_to_string("/proc/filesystems").unwrap_or_default())
    }

    /// A kernel without `SELinux`, or with `SELinux` off, does not list its file system.
    fn from_filesystems(filesystems: &str) -> Self {
        Self { enabled: filesystems.lines().any(|line| line.split_whitespace().last() == Some("selinuxfs")) }
    }

    fn label_directory(self, directory: BorrowedFd<'_>) -> io::Result<()> {
        // An O_PATH descriptor gives no access to attributes, its name in /proc does.
        self.set(|| setxattr(at(directory, ""), SELINUX_ATTRIBUTE, CONTAINER_FILE, XattrFlags::empty()))
    }

    fn label_socket(self, directory: BorrowedFd<'_>) -> io::Result<()> {
        let socket = at(directory, &format!("/{}", api::names::SOCKET));
        self.set(|| lsetxattr(socket, SELINUX_ATTRIBUTE, CONTAINER_FILE, XattrFlags::empty()))
    }

    fn set(self, set: impl FnOnce() -> Result<(), Errno>) -> io::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        match set() {
            // A file system that was mounted with one label for all its files.
            Err(Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }
}

fn at(directory: BorrowedFd<'_>, name: &str) -> String {
    format!("/proc/self/fd/{}{name}", directory.as_raw_fd())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::UnixListener;

    use rustix::fs::lgetxattr;

    use super::*;

    fn label(path: &Path) -> Result<Vec<u8>, Errno> {
        let mut label = [0; 64];
        lgetxattr(path, SELINUX_ATTRIBUTE, &mut label).map(|length| label[..length].to_vec())
    }

    fn labelled(labels: SelinuxLabels) -> (Result<Vec<u8>, Errno>, Result<Vec<u8>, Errno>) {
        let dir = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(dir.path().join("egd.sock")).unwrap();
        let directory = open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        labels.label_directory(directory.as_fd()).unwrap();
        labels.label_socket(directory.as_fd()).unwrap();
        (label(dir.path()), label(&dir.path().join("egd.sock")))
    }

    #[test]
    fn directory_and_socket_have_the_label_of_container_files() {
        let expected = Ok(b"system_u:object_r:container_file_t:s0\0".to_vec());
        assert_eq!(labelled(SelinuxLabels { enabled: true }), (expected.clone(), expected));
    }

    #[test]
    fn a_host_without_selinux_has_no_label() {
        assert_eq!(labelled(SelinuxLabels { enabled: false }), (Err(Errno::NODATA), Err(Errno::NODATA)));
    }

    #[test]
    fn selinux_is_on_where_the_kernel_lists_its_file_system() {
        assert!(SelinuxLabels::from_filesystems("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n").enabled);
        assert!(!SelinuxLabels::from_filesystems("nodev\tsysfs\n\text4\n").enabled);
    }
}
