//! Packets with file descriptors, over sockets that preserve the boundaries of messages.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Descriptors of one packet: the kernel passes at most 253.
pub(crate) const DESCRIPTORS: usize = 240;
const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS));

/// What was received at once. The peer has closed the connection if there are no bytes.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Sends a packet, all of it or nothing.
pub(crate) fn send(
    socket: impl AsFd,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "too many descriptors for one message"));
    }
    sendmsg(socket, parts, &mut control, flags | SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a packet of at most so many bytes.
pub(crate) fn receive(socket: impl AsFd, limit: usize, flags: RecvFlags) -> io::Result<Packet> {
    let mut bytes = vec![0; limit];
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<_> = rights.flatten().collect();
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "a message was truncated: the limit of open files may be too low",
        ));
    }
    bytes.truncate(got.bytes);
    Ok(Packet { bytes, descriptors })
}
