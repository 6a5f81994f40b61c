//! The `SELinux` label by which a container may reach its socket.
//!
//! The kubelet relabels no volume that a container may only read, so whoever makes the socket has to. The level is `s0`
//! without categories, which every container's level dominates: which container sees the socket is decided by the
//! mount, and a pod's categories are nowhere told to a driver.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{XattrFlags, lsetxattr, setxattr};
use rustix::io::Errno;

const ATTRIBUTE: &str = "security.selinux";
/// As `SELinux` keeps a label: with the byte that ends it.
const CONTAINER_FILE: &[u8] = b"system_u:object_r:container_file_t:s0\0";

/// Whether, and so how, what containers reach is labelled on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SelinuxLabels {
    enabled: bool,
}

impl SelinuxLabels {
    /// Those of this host.
    pub(crate) fn of_host() -> Self {
        Self::of(&fs::read_to_string("/proc/filesystems").unwrap_or_default())
    }

    /// A kernel in which `SELinux` is off, or not there, does not know its file system.
    fn of(filesystems: &str) -> Self {
        Self { enabled: filesystems.lines().any(|line| line.split_whitespace().last() == Some("selinuxfs")) }
    }

    /// Labels a directory; what is made in it has its type from then on.
    pub(crate) fn directory(self, directory: BorrowedFd<'_>) -> io::Result<()> {
        // The descriptor is of a path alone, which is no way to an attribute.
        self.put(|| setxattr(at(directory, ""), ATTRIBUTE, CONTAINER_FILE, XattrFlags::empty()))
    }

    /// Labels the socket in it.
    pub(crate) fn socket(self, directory: BorrowedFd<'_>) -> io::Result<()> {
        let socket = at(directory, &format!("/{}", api::names::SOCKET));
        self.put(|| lsetxattr(socket, ATTRIBUTE, CONTAINER_FILE, XattrFlags::empty()))
    }

    fn put(self, put: impl FnOnce() -> Result<(), Errno>) -> io::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        match put() {
            // A file system that was mounted with one label for all.
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

    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags, lgetxattr, open};

    use super::*;

    fn label(path: &Path) -> Result<Vec<u8>, Errno> {
        let mut label = [0; 64];
        lgetxattr(path, ATTRIBUTE, &mut label).map(|length| label[..length].to_vec())
    }

    fn labelled(labels: SelinuxLabels) -> (Result<Vec<u8>, Errno>, Result<Vec<u8>, Errno>) {
        let dir = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(dir.path().join("egd.sock")).unwrap();
        let directory = open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        labels.directory(directory.as_fd()).unwrap();
        labels.socket(directory.as_fd()).unwrap();
        (label(dir.path()), label(&dir.path().join("egd.sock")))
    }

    #[test]
    fn directory_and_socket_have_the_label_of_containers_files() {
        let expected = Ok(b"system_u:object_r:container_file_t:s0\0".to_vec());
        assert_eq!(labelled(SelinuxLabels { enabled: true }), (expected.clone(), expected));
    }

    #[test]
    fn a_host_without_selinux_has_no_label() {
        assert_eq!(labelled(SelinuxLabels { enabled: false }), (Err(Errno::NODATA), Err(Errno::NODATA)));
    }

    #[test]
    fn selinux_is_on_where_the_kernel_knows_its_file_system() {
        assert!(SelinuxLabels::of("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n").enabled);
        assert!(!SelinuxLabels::of("nodev\tsysfs\n\text4\n").enabled);
    }
}
