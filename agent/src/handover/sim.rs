//! Both ends of a hand-over without a door between them: for simulations, which have no two processes.

use std::io;
use std::sync::mpsc;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::channel::Channel;
use super::{Predecessor, Successor};

/// The two, where the successor has said hello and was heard.
pub fn rehearse() -> io::Result<(Predecessor, Successor)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (turn, _) = mpsc::channel();
    Ok((
        Predecessor { channel: Channel(ours) },
        Successor { channel: Channel(theirs), tells: true, _turn: turn },
    ))
}
