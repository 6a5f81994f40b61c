//! Listening unix sockets at fixed paths: those of the API and of the CSI driver.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataplane::{Inode, bind_and_rename, inode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::runtime::Builder;

/// A listening socket, with the device and inode of its file.
pub(crate) type BoundSocket = (OwnedFd, Inode);

/// `sun_path` holds 108 bytes, the last of them a NUL.
const MAX_PATH: usize = 107;
/// For the owner alone: a client may detach VMs, and QEMU is often in the daemon's group.
pub(crate) const OWNER_ONLY: u32 = 0o600;

/// Why a socket could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error(
        "socket path {path} has {length} bytes, and the kernel takes at most 107; choose a shorter directory",
        path = path.display()
    )]
    TooLong { path: PathBuf, length: usize },
    #[error(
        "another process listens on {path}; take over from it with --take-over, stop it, or give this daemon its own \
         directories",
        path = path.display()
    )]
    InUse { path: PathBuf },
    #[error("{path} exists and is not a socket; remove it", path = path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot create socket {path}: {source}", path = path.display())]
    Bind { path: PathBuf, source: io::Error },
}

impl SocketError {
    /// One word for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "SocketPathTooLong",
            Self::InUse { .. } | Self::NotASocket { .. } => "SocketInUse",
            Self::Bind { .. } => "BindSocket",
        }
    }
}

/// A listening socket. Dropped, it removes its file unless that is another process's.
#[derive(Debug)]
pub(crate) struct ApiSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: Inode,
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has this device and inode.
    pub(crate) fn is(&self, known: Option<(u64, u64)>) -> bool {
        known == Some(self.inode)
    }

    /// Whether the path still leads to this socket.
    pub(crate) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode)
    }
}

impl ApiSocket {
    /// Listens at `path`, in an existing directory, for processes that `mode` admits. Connections wait in the backlog until
    /// the socket is served.
    pub(crate) fn bind(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            return Err(SocketError::TooLong { path: path.to_owned(), length });
        }
        check_vacant(path)?;
        bind(path, mode)
    }

    /// Continues with the listener of the previous process. If there is none, or its path now leads elsewhere, replaces
    /// the file there by a new socket.
    pub(crate) fn resume(path: &Path, previous: Option<BoundSocket>, mode: u32) -> Result<Self, SocketError> {
        if let Some((socket, file)) = previous
            && fs::symlink_metadata(path).is_ok_and(|found| inode(&found) == file)
        {
            // The mode may have been changed; failing to set it is no reason not to serve.
            if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode)) {
                tracing::warn!(path = %path.display(), %error, "failed to set the mode of a socket");
            }
            let file = SocketFile { path: path.to_owned(), inode: file };
            return Ok(Self { listener: socket.into(), file });
        }
        bind(path, mode)
    }

    /// A duplicate for a successor.
    pub(crate) fn share(&self) -> io::Result<BoundSocket> {
        Ok((self.listener.try_clone()?.into(), self.file.inode))
    }

    /// Leaves the file to another process.
    pub(crate) fn disown(&mut self) {
        // No file has this inode.
        self.file.inode = (0, 0);
    }

    pub(crate) fn file(&self) -> &SocketFile {
        &self.file
    }

    /// A duplicate for the thread that serves it.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for ApiSocket {
    fn drop(&mut self) {
        let SocketFile { path, .. } = &self.file;
        if self.file.is_there()
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "failed to remove a socket");
        }
    }
}

/// Checks that a socket can be created at `path`. A socket that no process listens on is replaced.
pub(crate) fn check_vacant(path: &Path) -> Result<(), SocketError> {
    let owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::Bind { path: owned(), source }),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket { path: owned() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse { path: owned() }),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(SocketError::InUse { path: owned() }),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(SocketError::Bind { path: owned(), source }),
    }
}

/// Waits until the process that listens at `path` has exited, for at most `timeout`: a killed process takes a while to close
/// its sockets.
pub(crate) fn wait_for_exit(path: &Path, timeout: Duration) {
    let (Ok(stream), Ok(timeout)) = (UnixStream::connect(path), Timespec::try_from(timeout)) else {
        return;
    };
    let exit = peer_pid(&stream).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // The next attempt to bind the socket shows the outcome.
    let _ = match &exit {
        Some(exit) => poll(&mut [PollFd::new(exit, PollFlags::IN)], Some(&timeout)),
        // In another PID namespace, where it has no id here.
        None => poll(&mut [PollFd::new(&stream, PollFlags::RDHUP)], Some(&timeout)),
    };
}

/// The process at the other end. `rustix` assumes that it has an id in this namespace; tokio does not.
fn peer_pid(stream: &UnixStream) -> Option<Pid> {
    let runtime = Builder::new_current_thread().enable_io().build().ok()?;
    let _guard = runtime.enter();
    let stream = stream.try_clone().ok()?;
    stream.set_nonblocking(true).ok()?;
    let peer = tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?;
    Pid::from_raw(peer.pid()?)
}

/// The temporary name must not be longer than `api.sock`.
fn bind(path: &Path, mode: u32) -> Result<ApiSocket, SocketError> {
    let make = |temporary: &Path| {
        let listener = UnixListener::bind(temporary)?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(temporary, Permissions::from_mode(mode)).map(|()| listener)
    };
    let bound = bind_and_rename(path, ".api.new", make, |error| error);
    let (listener, inode) = bound.map_err(|source| SocketError::Bind { path: path.to_owned(), source })?;
    Ok(ApiSocket { listener, file: SocketFile { path: path.to_owned(), inode } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_socket_has_its_mode_and_is_removed_with_its_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        for mode in [OWNER_ONLY, 0o660] {
            let socket = ApiSocket::bind(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[test]
    fn the_socket_of_a_live_daemon_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let living = UnixListener::bind(&path).unwrap();
        let refused = ApiSocket::bind(&path, OWNER_ONLY).unwrap_err();
        assert!(matches!(refused, SocketError::InUse { .. }), "{refused}");
        drop(living);
        ApiSocket::bind(&path, OWNER_ONLY).unwrap();
    }

    #[test]
    fn the_socket_of_a_successor_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let old = ApiSocket::bind(&path, OWNER_ONLY).unwrap();
        fs::remove_file(&path).unwrap();
        let _new = UnixListener::bind(&path).unwrap();
        drop(old);
        assert!(path.exists());
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        fs::write(&path, "precious").unwrap();
        let refused = ApiSocket::bind(&path, OWNER_ONLY).unwrap_err();
        assert!(matches!(refused, SocketError::NotASocket { .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_path_of_108_bytes_is_refused() {
        let path = PathBuf::from(format!("/{}/api.sock", "d".repeat(98)));
        let refused = ApiSocket::bind(&path, OWNER_ONLY).unwrap_err();
        assert!(matches!(refused, SocketError::TooLong { length: 108, .. }), "{refused}");
    }
}
