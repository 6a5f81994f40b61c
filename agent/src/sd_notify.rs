//! systemd's notification protocol: readiness, the file descriptor store and barriers.

use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::fd_packet::DESCRIPTORS;

/// The environment variable with the address of the service manager's socket.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// How long the service manager may take to read a message.
const TIMEOUT: Duration = Duration::from_secs(2);
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS));

/// Tells the service manager, if there is one, that the daemon serves.
pub(crate) fn notify_ready() {
    let Some(manager) = ServiceManager::here() else { return };
    if let Err(error) = manager.notify("READY=1") {
        let socket = manager.address;
        tracing::warn!(?socket, %error, "failed to notify the service manager");
    }
}

/// The service manager that started this daemon.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    address: SocketAddr,
}

impl ServiceManager {
    pub(crate) fn here() -> Option<Self> {
        let socket = env::var_os(VARIABLE)?;
        let found = Self::at(&socket);
        let log = |error: &io::Error| {
            tracing::warn!(socket = %socket.display(), %error, "invalid NOTIFY_SOCKET");
        };
        found.inspect_err(log).ok()
    }

    fn at(socket: &OsStr) -> io::Result<Self> {
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self { address })
    }

    /// Sends a state, such as `READY=1`.
    pub(crate) fn notify(&self, state: &str) -> io::Result<()> {
        self.notify_with_fds(state, &[])
    }

    /// Sends a state with at most [`DESCRIPTORS`] file descriptors.
    pub(crate) fn notify_with_fds(&self, state: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many descriptors for one message"));
        }
        let socket = UnixDatagram::unbound()?;
        // The service manager's queue is short.
        socket.set_write_timeout(Some(TIMEOUT))?;
        socket.connect_addr(&self.address)?;
        sendmsg(&socket, &[IoSlice::new(state.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits until the service manager has handled all messages before: then it closes the descriptor of this one.
    pub(crate) fn barrier(&self) -> io::Result<()> {
        let (ours, theirs) = io::pipe()?;
        self.notify_with_fds("BARRIER=1", &[theirs.as_fd()])?;
        drop(theirs);
        if is_closed(&ours, TIMEOUT)? {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::TimedOut, "the service manager did not answer in time"))
    }
}

/// Whether all write ends of a pipe are closed, waiting for at most `timeout`.
pub(crate) fn is_closed(pipe: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    Ok(poll(&mut [PollFd::new(&pipe, PollFlags::empty())], Some(&timeout))? > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_kinds_of_address_are_notified() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("entropool-notify-{}", std::process::id());
        let addresses = [
            (SocketAddr::from_pathname(&path).unwrap(), path.into_os_string()),
            (SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}").into()),
        ];
        for (address, variable) in addresses {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            ServiceManager::at(&variable).unwrap().notify("READY=1").unwrap();
            let mut state = [0; 16];
            let count = manager.recv(&mut state).unwrap();
            assert_eq!(&state[..count], b"READY=1");
        }
    }
}
