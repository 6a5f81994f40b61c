//! Both ends of a hand-over in one process, for simulations.

use std::io;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::fd_channel::Channel;
use super::{Predecessor, Successor};

/// A predecessor and a successor that have exchanged *hello*.
pub fn connected_pair() -> io::Result<(Predecessor, Successor)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Predecessor { channel: Channel(ours), keepalive: None }, Successor::connected(Channel(theirs))))
}
