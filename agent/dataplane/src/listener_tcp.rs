//! Ports of the loopback interface.
//!
//! TCP tells nothing of who is at the other end, so a port is for this host alone: any process on it that may
//! connect draws the bytes of the VM whose port it is.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::listener::BACKLOG;
use crate::listener_error::ListenError;

/// Listens on `address`.
pub(crate) fn open(address: SocketAddr) -> Result<OwnedFd, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { address });
    }
    if address.port() == 0 {
        return Err(ListenError::NoPort { address });
    }
    bind_at(address).map_err(|errno| match errno {
        Errno::ADDRINUSE => ListenError::PortInUse { address },
        errno => ListenError::BindPort { address, source: errno.into() },
    })
}

fn bind_at(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of the daemon before us that are still closing are in nobody's way.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A small answer is not kept back to be sent with the next.
pub(crate) fn hurry(connection: impl AsFd) {
    if let Err(errno) = set_tcp_nodelay(connection, true) {
        tracing::debug!(error = %errno, "a connection sends small answers late");
    }
}
