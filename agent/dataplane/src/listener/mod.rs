//! Listening sockets: Unix sockets in directories of their own, and ports of the loopback interface.

mod address;
mod bind;
mod error;

pub use address::{Address, ListenerLocation, PathError, socket_path};
pub use bind::{Inode, bind_and_rename, inode};
pub use error::ListenError;

pub(crate) use address::SOCKET;

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay};
use rustix::net::{
    self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, listen, socket_with,
};

const DIRECTORY_MODE: u32 = 0o750;
const SOCKET_MODE: u32 = 0o660;

/// A socket is bound under this name and then renamed. It is as long as `egd.sock`, and so is the longest path.
const TEMPORARY: &str = ".egd.new";

/// Connections that may wait to be accepted. A VM has one; the others are tools and reconnects.
const BACKLOG: i32 = 8;

/// The owner of sockets and their directories; `None` is that of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOwner {
    pub uid: Option<u32>,
    /// In practice QEMU's group.
    pub gid: Option<u32>,
}

/// A VM's listening socket. Its file is removed when it is dropped, unless another socket has replaced it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    address: Address,
    /// Of the file that it owns, if any.
    inode: Option<Inode>,
    /// Whether the file's directory is removed with it.
    owns_directory: bool,
    /// Of its file, while the predecessor still owns it.
    inherited: Option<Inode>,
}

/// No file has this device and inode.
const NO_FILE: (u64, u64) = (0, 0);

impl Listener {
    /// Listens at `path`, in a directory that is created for it.
    pub(crate) fn open(path: &Path, owner: SocketOwner) -> Result<Self, ListenError> {
        let directory = path.parent().expect("a socket path has the VM's directory");
        make_directory(directory, owner)?;
        Self::bind(directory, path, owner, true)
    }

    /// Listens in a directory that the caller created, opened and will remove. All file system calls go through the
    /// descriptor, so that the directory cannot be exchanged, and its path may be longer than a socket's.
    pub(crate) fn open_in(
        directory: BorrowedFd,
        path: &Path,
        owner: SocketOwner,
    ) -> Result<Self, ListenError> {
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        set_rights(&short, DIRECTORY_MODE, owner)?;
        Self::bind(&short, &path.join(SOCKET), owner, false)
    }

    fn bind(
        directory: &Path,
        path: &Path,
        owner: SocketOwner,
        owns_directory: bool,
    ) -> Result<Self, ListenError> {
        let file = directory.join(SOCKET);
        refuse_in_use(&file)?;
        let (socket, inode) = bind(&file, owner)?;
        Ok(Self {
            socket,
            address: Address::Unix(path.to_owned()),
            inode: Some(inode),
            owns_directory,
            inherited: None,
        })
    }

    /// Listens on a port.
    pub(crate) fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let socket = open_port(address)?;
        Ok(Self {
            socket,
            address: Address::Tcp(address),
            inode: None,
            owns_directory: false,
            inherited: None,
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A socket that the predecessor still has open. Its file is not removed before
    /// [`take_ownership`](Self::take_ownership).
    pub(crate) fn inherited(socket: OwnedFd, path: PathBuf, file: (u64, u64), owns_directory: bool) -> Self {
        // Who connects from now on learns from the kernel that this process serves, and not one that has ended.
        if let Err(error) = listen(&socket, BACKLOG) {
            tracing::warn!(%error, "failed to listen on restored socket");
        }
        Self { socket, address: Address::Unix(path), inode: None, owns_directory, inherited: Some(file) }
    }

    pub(crate) fn inherited_port(socket: OwnedFd, address: SocketAddr) -> Self {
        Self { socket, address: Address::Tcp(address), inode: None, owns_directory: false, inherited: None }
    }

    /// The predecessor has exited.
    pub(crate) fn take_ownership(&mut self) {
        self.inode = self.inherited.take().or(self.inode);
    }

    /// Closes the socket and leaves its file: for the successor.
    pub(crate) fn abandon(mut self) {
        self.inode = None;
    }

    /// Whether it is a file, and no port.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// Its path, if it is in a directory that its creator will remove.
    pub(crate) fn external_path(&self) -> Option<&Path> {
        match &self.address {
            Address::Unix(path) if !self.owns_directory => Some(path),
            Address::Unix(_) | Address::Tcp(_) => None,
        }
    }

    /// Device and inode of its file; zeros for a port.
    pub(crate) fn file(&self) -> (u64, u64) {
        self.inode.unwrap_or(NO_FILE)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Address::Unix(path) = &self.address else { return };
        let own = fs::symlink_metadata(path).is_ok_and(|found| Some(inode(&found)) == self.inode);
        if own && let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "failed to remove socket");
        }
        if self.owns_directory {
            // If a successor has its socket there, the directory is not empty and stays.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// Creates the directory of all sockets unless it exists, and rejects one in which no socket can be created.
pub(crate) fn prepare_directory(socket_dir: &Path) -> Result<(), ListenError> {
    let path = || socket_dir.to_owned();
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(socket_dir)
        .map_err(|source| ListenError::MakeDirectory { path: path(), source })?;
    // Fails on a read-only file system too.
    let writable = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let flags = rustix::fs::AtFlags::EACCESS;
    rustix::fs::accessat(rustix::fs::CWD, socket_dir, writable, flags)
        .or_else(|_| rustix::fs::access(socket_dir, writable))
        .map_err(|errno| ListenError::NoRights { path: path(), source: errno.into() })
}

fn make_directory(path: &Path, owner: SocketOwner) -> Result<(), ListenError> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A symbolic link is not followed: its target is not ours to change.
            if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
                return Err(ListenError::NotADirectory { path: path.to_owned() });
            }
        }
        Err(source) => return Err(ListenError::MakeDirectory { path: path.to_owned(), source }),
    }
    set_rights(path, DIRECTORY_MODE, owner)
}

/// Rejects a path that is in use. A socket that no process listens on is not.
fn refuse_in_use(path: &Path) -> Result<(), ListenError> {
    let owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenError::Probe { path: owned(), source }),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path: owned() }),
        Ok(_) => {}
    }
    match connect_to(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // EAGAIN: its backlog is full.
        Ok(()) | Err(Errno::AGAIN) => Err(ListenError::InUse { path: owned() }),
        Err(errno) => Err(ListenError::Probe { path: owned(), source: errno.into() }),
    }
}

fn connect_to(path: &Path) -> Result<(), Errno> {
    connect(&unix_socket()?, &SocketAddrUnix::new(path)?)
}

fn bind(path: &Path, owner: SocketOwner) -> Result<(OwnedFd, Inode), ListenError> {
    let failed = |source: io::Error| ListenError::BindSocket { path: path.to_owned(), source };
    let make = |temporary: &Path| {
        let socket = bind_at(temporary).map_err(|errno| failed(errno.into()))?;
        set_rights(temporary, SOCKET_MODE, owner).map(|()| socket)
    };
    bind_and_rename(path, TEMPORARY, make, failed)
}

fn bind_at(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = unix_socket()?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn unix_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

fn set_rights(path: &Path, mode: u32, owner: SocketOwner) -> Result<(), ListenError> {
    let rights = fs::set_permissions(path, Permissions::from_mode(mode));
    let set = rights.and_then(|()| match owner {
        SocketOwner { uid: None, gid: None } => Ok(()),
        SocketOwner { uid, gid } => chown(path, uid, gid),
    });
    set.map_err(|source| ListenError::SetRights { path: path.to_owned(), source })
}

/// TCP does not identify its peer, so a port is for this host alone: any process on it that may connect draws the bytes of
/// the VM that owns the port.
fn open_port(address: SocketAddr) -> Result<OwnedFd, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { address });
    }
    if address.port() == 0 {
        return Err(ListenError::NoPort { address });
    }
    bind_port(address).map_err(|errno| match errno {
        Errno::ADDRINUSE => ListenError::PortInUse { address },
        errno => ListenError::BindPort { address, source: errno.into() },
    })
}

fn bind_port(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of the previous process may still be closing.
    set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Sends small answers at once.
pub(crate) fn set_nodelay(connection: impl AsFd) {
    if let Err(errno) = set_tcp_nodelay(connection, true) {
        tracing::debug!(error = %errno, "failed to set TCP_NODELAY");
    }
}
