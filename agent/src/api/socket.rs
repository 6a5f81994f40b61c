//! The socket on which a daemon is asked.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataplane::{Inode, bind_and_rename, inode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::runtime::Builder;

use crate::handover::Bound;

/// `sun_path` holds 108 bytes, the last of them a NUL.
const MAX_PATH: usize = 107;
/// For the owner alone: who may speak here may cut VMs off, and QEMU is often in the daemon's group.
pub const OWNER_ONLY: u32 = 0o600;

/// Why the local API has no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel takes no longer path.
    #[error(
        "socket path {path} has {length} bytes, and the kernel takes at most 107; choose a shorter directory",
        path = path.display()
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// Somebody is alive there.
    #[error(
        "somebody listens on {path} already; take over from that daemon with --take-over, stop it, or give this one \
         directories of its own",
        path = path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{path} exists and is not a socket; remove it", path = path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("socket {path} cannot be made: {source}", path = path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SocketError {
    /// The one word for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "SocketPathTooLong",
            Self::InUse { .. } | Self::NotASocket { .. } => "SocketInUse",
            Self::Bind { .. } => "BindSocket",
        }
    }
}

/// A listening socket. When it goes, so does its file, if that is still its own.
#[derive(Debug)]
pub struct ApiSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Where a socket was put, and which file it was.
#[derive(Clone, Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: Inode,
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the one with that device and inode.
    pub(crate) fn is(&self, known: Option<(u64, u64)>) -> bool {
        known == Some(self.inode)
    }

    /// Whether whoever goes to the path still finds that socket.
    pub(crate) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode)
    }
}

impl ApiSocket {
    /// Listens at `path`, in a directory that exists, for those whom `mode` lets in. Whoever connects waits until the
    /// API is served.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            return Err(SocketError::TooLong { path: path.to_owned(), length });
        }
        vacant(path)?;
        bind(path, mode)
    }

    /// Goes on with the listener of the process before, unless there is none, or its path leads elsewhere by now. Then
    /// whatever is there is replaced.
    pub fn go_on(path: &Path, left: Option<Bound>, mode: u32) -> Result<Self, SocketError> {
        if let Some((socket, file)) = left
            && fs::symlink_metadata(path).is_ok_and(|found| inode(&found) == file)
        {
            // The mode may be another one now; that it cannot be set is no reason not to serve.
            if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode)) {
                tracing::warn!(path = %path.display(), %error, "a socket keeps its mode");
            }
            let file = SocketFile { path: path.to_owned(), inode: file };
            return Ok(Self { listener: socket.into(), file });
        }
        bind(path, mode)
    }

    /// The socket once more, for a successor, and its file.
    pub(crate) fn share(&self) -> io::Result<Bound> {
        Ok((self.listener.try_clone()?.into(), self.file.inode))
    }

    /// Its file is another process's now.
    pub(crate) fn disown(&mut self) {
        // No file has this inode.
        self.file.inode = (0, 0);
    }

    /// Where it was put.
    pub(crate) fn file(&self) -> &SocketFile {
        &self.file
    }

    /// The same listener once more, for the thread that serves it.
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
            tracing::warn!(path = %path.display(), %error, "a socket could not be removed");
        }
    }
}

/// Whether a socket could be made at `path`: what a daemon left that is gone is in nobody's way.
pub fn vacant(path: &Path) -> Result<(), SocketError> {
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

/// Waits until whoever listens at `path` has died, if it is about to: a killed process takes a while to close its
/// sockets. One that lives on is not waited for longer than `patience`.
pub fn outlive(path: &Path, patience: Duration) {
    let (Ok(stream), Ok(patience)) = (UnixStream::connect(path), Timespec::try_from(patience)) else {
        return;
    };
    let exit = listener(&stream).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // Whatever comes of it, the next look at the socket tells.
    let _ = match &exit {
        Some(exit) => poll(&mut [PollFd::new(exit, PollFlags::IN)], Some(&patience)),
        // In another container, where it has no id that would mean anything here.
        None => poll(&mut [PollFd::new(&stream, PollFlags::RDHUP)], Some(&patience)),
    };
}

/// The process at the other end. `rustix` takes for granted that it has an id here; tokio does not.
fn listener(stream: &UnixStream) -> Option<Pid> {
    let runtime = Builder::new_current_thread().enable_io().build().ok()?;
    let _in = runtime.enter();
    let stream = stream.try_clone().ok()?;
    stream.set_nonblocking(true).ok()?;
    let peer = tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?;
    Pid::from_raw(peer.pid()?)
}

/// The temporary name is no longer than `api.sock`.
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
    fn the_socket_is_for_those_it_is_meant_for_and_goes_with_its_daemon() {
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
    fn a_living_daemon_keeps_its_socket_and_a_dead_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let living = UnixListener::bind(&path).unwrap();
        let refused = ApiSocket::bind(&path, OWNER_ONLY).unwrap_err();
        assert!(matches!(refused, SocketError::InUse { .. }), "{refused}");
        drop(living);
        ApiSocket::bind(&path, OWNER_ONLY).unwrap();
    }

    #[test]
    fn a_successor_s_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let old = ApiSocket::bind(&path, OWNER_ONLY).unwrap();
        fs::remove_file(&path).unwrap();
        let _new = UnixListener::bind(&path).unwrap();
        drop(old);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_is_not_overwritten() {
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
