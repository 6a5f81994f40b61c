//! A peer's end of a socket. Nothing here waits.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, shutdown, socket_with,
};

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire(OwnedFd);

impl Wire {
    /// Nothing if nobody listens, or too many wait to be let in.
    pub(crate) fn connect(path: &Path) -> Option<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(path).unwrap()).ok().map(|()| Self(socket))
    }

    /// How many of the bytes went; nothing if the other end is gone.
    pub(crate) fn send(&self, bytes: &[u8]) -> Option<usize> {
        match send(&self.0, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => Some(sent),
            Err(Errno::AGAIN) => Some(0),
            Err(_) => None,
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end(&self) {
        shutdown(&self.0, Shutdown::Write).unwrap();
    }

    /// How many bytes came; nothing if the other end is gone and all was read.
    pub(crate) fn receive(&self, space: &mut [u8]) -> Option<usize> {
        match recv(&self.0, &mut *space, RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => None,
            Ok((_, count)) => Some(count),
            Err(Errno::AGAIN) => Some(0),
            Err(errno) => panic!("a socket of ours: {errno}"),
        }
    }

    /// The other end is gone, whatever is left to read.
    pub(crate) fn has_hung_up(&self) -> bool {
        let mut looked = [PollFd::new(&self.0, PollFlags::RDHUP)];
        poll(&mut looked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        looked[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR)
    }
}
