//! The sockets that this daemon serves: an upstream among them would be a loop.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a daemon's own sockets are.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSockets {
    /// Every VM has a directory in it, and a socket in that one.
    directory: Option<PathBuf>,
}

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

impl OwnSockets {
    pub(crate) fn in_directory(directory: PathBuf) -> Self {
        Self { directory: Some(directory) }
    }

    /// Whether this is the file of one of them, by any name: through links, or another mount of the directory.
    pub(super) fn include_file(&self, path: &Path) -> bool {
        let Some(directory) = &self.directory else { return false };
        let resolved = |path: &Path| path.canonicalize().ok();
        let is_inside = resolved(path)
            .zip(resolved(directory))
            .is_some_and(|(path, directory)| path.starts_with(directory));
        is_inside || inode(path).is_some_and(|inode| files(directory).any(|own| own == inode))
    }

    /// Whether this process listens at this address of the loopback interface, on which alone it serves VMs.
    pub(super) fn include_address(&self, address: SocketAddr) -> bool {
        self.directory.is_some() && address.ip().to_canonical().is_loopback() && {
            let listening = listening_inodes(address.port());
            !listening.is_empty() && !listening.is_disjoint(&open_sockets())
        }
    }
}

fn files(directory: &Path) -> impl Iterator<Item = (u64, u64)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sockets = entries.flat_map(|vm| fs::read_dir(vm.path()).into_iter().flatten().flatten());
    sockets.filter_map(|socket| inode(&socket.path()))
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The inodes of this network namespace's sockets that listen on a port.
fn listening_inodes(port: u16) -> HashSet<u64> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let tables: Vec<String> = tables.iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
    tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| listening_inode(line, port))
        .collect()
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`: `proc_pid_net(5)`.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == LISTEN && u16::from_str_radix(local, 16) == Ok(port);
    fields.get(9).filter(|_| listens)?.parse().ok()
}

/// The inodes of the sockets that this process has open.
fn open_sockets() -> HashSet<u64> {
    let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::TcpListener;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_of_ours_is_known_by_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let (vms, other) = (folder.path().join("vm"), folder.path().join("other.sock"));
        fs::create_dir_all(vms.join("web-1")).unwrap();
        let ours = vms.join("web-1/egd.sock");
        let _listeners = [&ours, &other].map(|path| UnixListener::bind(path).unwrap());
        let (link, hard_link) = (folder.path().join("link"), folder.path().join("hard-link"));
        symlink(&ours, &link).unwrap();
        fs::hard_link(&ours, &hard_link).unwrap();
        let own = OwnSockets::in_directory(vms.clone());
        for path in [&ours, &link, &hard_link, &vms.join("web-1/../web-1/egd.sock")] {
            assert!(own.include_file(path), "{}", path.display());
        }
        for path in [&other, &folder.path().join("missing")] {
            assert!(!own.include_file(path), "{}", path.display());
        }
        assert!(!OwnSockets::default().include_file(&ours));
    }

    #[test]
    fn a_port_of_ours_is_known_and_another_process_s_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = OwnSockets::in_directory("/run/entropool/vm".into());
        assert!(own.include_address(address));
        assert!(!own.include_address(SocketAddr::new([192, 0, 2, 1].into(), address.port())));
        assert!(!OwnSockets::default().include_address(address), "a test that is its own server");
        drop(listener);
        assert!(!own.include_address(address));
    }

    #[test]
    fn a_line_of_the_kernel_s_table_is_read() {
        let line = "   1: 0100007F:02C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listening_inode(line, 708), Some(4711));
        assert_eq!(listening_inode(line, 709), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 708), None);
        assert_eq!(listening_inode("", 708), None);
    }
}
