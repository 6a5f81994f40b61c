//! Socket directories and the sockets in them.

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

mod address;
mod bind;
mod error;

pub use address::{Address, ListenerLocation, PathError, socket_path};
pub use bind::{Inode, bind_and_rename, inode};
pub use error::ListenError;

pub(crate) use address::SOCKET;

const DIRECTORY_MODE: u32 = 0o750;
const SOCKET_MODE: u32 = 0o660;

/// A socket is bound under this name and then renamed. It is as long as `egd.sock`, so the bound on paths is the same.
const TEMPORARY: &str = ".egd.new";

/// Connections that may wait to be accepted. A VM has one; the rest is for tools and reconnects.
pub(crate) const BACKLOG: i32 = 8;

/// Who owns the sockets and their directories; what is `None` stays as the process makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOwner {
    /// User id.
    pub uid: Option<u32>,
    /// Group id: in practice QEMU's.
    pub gid: Option<u32>,
}

/// A VM's listening socket. When it goes, so does its file, if that is still its own.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    address: Address,
    /// Of its file, if it has one.
    inode: Option<Inode>,
    /// Whether the file's directory goes with it.
    directory_goes: bool,
    /// Its file, while that still is another process's.
    left: Option<Inode>,
}

/// No file has this device and inode.
const NO_FILE: (u64, u64) = (0, 0);

impl Listener {
    /// Listens at `path`, in a directory of its own.
    pub(crate) fn open(path: &Path, owner: SocketOwner) -> Result<Self, ListenError> {
        let directory = path.parent().expect("a socket path has the VM's directory");
        make_directory(directory, owner)?;
        Self::bind(directory, path, owner, true)
    }

    /// Listens in a directory that somebody else made, opened and will remove. What the file system is asked goes
    /// through the descriptor: nobody can change on the way what it is, and a path may be longer than a socket's.
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
        directory_goes: bool,
    ) -> Result<Self, ListenError> {
        let file = directory.join(SOCKET);
        refuse_living(&file)?;
        let (socket, inode) = bind(&file, owner)?;
        Ok(Self {
            socket,
            address: Address::Unix(path.to_owned()),
            inode: Some(inode),
            directory_goes,
            left: None,
        })
    }

    /// Listens on a port.
    pub(crate) fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let socket = open_port(address)?;
        Ok(Self { socket, address: Address::Tcp(address), inode: None, directory_goes: false, left: None })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// One that another process listens on as well, until it leaves. Its file is nobody's to remove before
    /// [`own`](Self::own), and its directory perhaps not even then.
    pub(crate) fn inherited(socket: OwnedFd, path: PathBuf, file: (u64, u64), directory_goes: bool) -> Self {
        Self { socket, address: Address::Unix(path), inode: None, directory_goes, left: Some(file) }
    }

    /// The same of a port.
    pub(crate) fn inherited_port(socket: OwnedFd, address: SocketAddr) -> Self {
        Self { socket, address: Address::Tcp(address), inode: None, directory_goes: false, left: None }
    }

    /// The process before has left.
    pub(crate) fn own(&mut self) {
        self.inode = self.left.take().or(self.inode);
    }

    /// Nobody listens here any more, and the file stays: for a successor, or since the process dies.
    pub(crate) fn abandon(mut self) {
        self.inode = None;
    }

    /// Its path, where that is in a directory which somebody else made and will remove.
    pub(crate) fn elsewhere(&self) -> Option<&Path> {
        match &self.address {
            Address::Unix(path) if !self.directory_goes => Some(path),
            Address::Unix(_) | Address::Tcp(_) => None,
        }
    }

    /// Device and inode of its file; none of a port.
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
            tracing::warn!(path = %path.display(), %error, "a socket could not be removed");
        }
        if self.directory_goes {
            // Not empty when a successor has its socket there; then it stays.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// Makes the directory of all sockets if need be, and refuses one in which no socket can be made.
pub(crate) fn prepare(socket_dir: &Path) -> Result<(), ListenError> {
    let path = || socket_dir.to_owned();
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(socket_dir)
        .map_err(|source| ListenError::MakeDirectory { path: path(), source })?;
    // Also a read-only file system says no here.
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
            // Not through a link: what it points at is not ours to change.
            if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
                return Err(ListenError::NotADirectory { path: path.to_owned() });
            }
        }
        Err(source) => return Err(ListenError::MakeDirectory { path: path.to_owned(), source }),
    }
    set_rights(path, DIRECTORY_MODE, owner)
}

/// A socket left by a process that is gone is in nobody's way; everything else is.
fn refuse_living(path: &Path) -> Result<(), ListenError> {
    let owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenError::Probe { path: owned(), source }),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path: owned() }),
        Ok(_) => {}
    }
    match connect_to(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // EAGAIN: so many connect that its backlog is full.
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

/// Listens on `address`.
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
    // Connections of the daemon before us that are still closing are in nobody's way.
    set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A small answer is not kept back to be sent with the next.
pub(crate) fn hurry(connection: impl AsFd) {
    if let Err(errno) = set_tcp_nodelay(connection, true) {
        tracing::debug!(error = %errno, "a connection sends small answers late");
    }
}
