//! Speaking to a service manager, in systemd's protocol of one datagram: that the daemon serves, and what is to be kept.

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

/// Where a manager that wants to be told listens.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// How long a manager may be busy with something else.
const PATIENCE: Duration = Duration::from_secs(2);
/// Descriptors of one message: the kernel passes at most 253.
pub(crate) const DESCRIPTORS: usize = 240;
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS));

/// Says that the daemon serves, to whoever wants to know.
pub fn notify_ready() {
    let Some(manager) = ServiceManager::here() else { return };
    if let Err(error) = manager.tell("READY=1", &[]) {
        let socket = manager.address;
        tracing::warn!(?socket, %error, "the service manager is not told that we serve");
    }
}

/// Whoever started this daemon and wants to hear of it.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    address: SocketAddr,
}

impl ServiceManager {
    pub(crate) fn here() -> Option<Self> {
        let socket = env::var_os(VARIABLE)?;
        let found = Self::at(&socket);
        let odd = |error: &io::Error| {
            tracing::warn!(socket = %socket.display(), %error, "there is no service manager");
        };
        found.inspect_err(odd).ok()
    }

    fn at(socket: &OsStr) -> io::Result<Self> {
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self { address })
    }

    /// Tells it `words`, with at most [`DESCRIPTORS`] beside them.
    pub(crate) fn tell(&self, words: &str, beside: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !beside.is_empty() && !control.push(SendAncillaryMessage::ScmRights(beside)) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many descriptors for one message"));
        }
        let socket = UnixDatagram::unbound()?;
        // Its queue is short, and it may be busy.
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect_addr(&self.address)?;
        sendmsg(&socket, &[IoSlice::new(words.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits until it has done all that it was told: it closes what comes with these words when it gets there.
    pub(crate) fn barrier(&self) -> io::Result<()> {
        let (ours, theirs) = io::pipe()?;
        self.tell("BARRIER=1", &[theirs.as_fd()])?;
        drop(theirs);
        if is_closed(&ours, PATIENCE)? {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::TimedOut, "the service manager was silent for too long"))
    }
}

/// Whether the writing ends of a pipe are all closed, or will be within a time.
pub(crate) fn is_closed(pipe: impl AsFd, within: Duration) -> io::Result<bool> {
    let within = Timespec::try_from(within).map_err(io::Error::other)?;
    Ok(poll(&mut [PollFd::new(&pipe, PollFlags::empty())], Some(&within))? > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_manager_is_told_wherever_it_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("entropool-notify-{}", std::process::id());
        let addresses = [
            (SocketAddr::from_pathname(&path).unwrap(), path.into_os_string()),
            (SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}").into()),
        ];
        for (address, variable) in addresses {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            ServiceManager::at(&variable).unwrap().tell("READY=1", &[]).unwrap();
            let mut words = [0; 16];
            let count = manager.recv(&mut words).unwrap();
            assert_eq!(&words[..count], b"READY=1");
        }
    }
}
