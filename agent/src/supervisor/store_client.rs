//! The worker's end of its supervisor's store.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dataplane::{SocketStore, StoredSocket};
use prost::Message as _;
use proto::handover::{self as wire, SocketLabel, StoreUpdate};
use rustix::net::{RecvFlags, SendFlags};

use super::socket_store::UPDATE;
use crate::fd_packet::{self, DESCRIPTORS, Packet};
use crate::handover::{listener_file, listener_message};

/// What the supervisor has of a worker that died.
#[derive(Debug, Default)]
pub(crate) struct LeftSockets {
    pub(crate) sessions: Option<File>,
    pub(crate) sockets: Vec<StoredSocket<OwnedFd>>,
}

/// Updates the supervisor's store.
#[derive(Debug)]
pub(crate) struct StoreClient(OwnedFd);

impl StoreClient {
    /// Receives what the supervisor has of the worker before this one.
    pub(super) fn receive(channel: OwnedFd) -> io::Result<(Self, LeftSockets)> {
        let mut left = LeftSockets::default();
        loop {
            let Packet { bytes, descriptors } = fd_packet::receive(&channel, UPDATE, RecvFlags::empty())?;
            let update = StoreUpdate::decode(&*bytes).map_err(io::Error::other)?;
            if update.complete {
                return Ok((Self(channel), left));
            }
            let mut descriptors = descriptors.into_iter();
            if update.sessions {
                left.sessions = descriptors.next().map(File::from);
            }
            left.sockets.extend(update.added.into_iter().zip(descriptors).filter_map(stored));
        }
    }

    /// Whether it was sent: all of it, or nothing.
    fn send(&self, update: &StoreUpdate, descriptors: &[BorrowedFd<'_>]) -> io::Result<bool> {
        let bytes = update.encode_to_vec();
        match fd_packet::send(&self.0, &[IoSlice::new(&bytes)], descriptors, SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl SocketStore for StoreClient {
    fn open(&mut self, sessions: &File) -> io::Result<()> {
        let update = StoreUpdate { sessions: true, ..StoreUpdate::default() };
        let sent = self.send(&update, &[sessions.as_fd()])?;
        if sent { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn update(&mut self, removed: &[u32], added: &[StoredSocket<BorrowedFd<'_>>]) -> io::Result<bool> {
        let update = StoreUpdate {
            removed: removed.to_vec(),
            added: added.iter().map(message).collect(),
            ..StoreUpdate::default()
        };
        let descriptors: Vec<_> = added.iter().map(|socket| socket.socket).collect();
        self.send(&update, &descriptors)
    }

    fn batch(&self) -> usize {
        DESCRIPTORS
    }
}

fn message<S>(socket: &StoredSocket<S>) -> wire::StoredSocket {
    let listener = socket.listener.as_ref().map(|file| listener_message(0, file));
    let label = SocketLabel { vm: socket.vm.clone(), listener };
    wire::StoredSocket { number: socket.number, label: label.encode_to_vec() }
}

/// `None` if the label is not one of this version: the socket is closed.
fn stored((socket, descriptor): (wire::StoredSocket, OwnedFd)) -> Option<StoredSocket<OwnedFd>> {
    let SocketLabel { vm, listener } = SocketLabel::decode(&*socket.label).ok()?;
    let listener = listener.as_ref().map(listener_file);
    Some(StoredSocket { number: socket.number, vm, listener, socket: descriptor })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use dataplane::ListenerFile;

    use super::*;

    #[test]
    fn a_label_says_which_socket_it_is() {
        let elsewhere = Some(PathBuf::from("/pods/1/egd.sock"));
        for listener in
            [None, Some(ListenerFile { file: (8, 1234), elsewhere }), Some(ListenerFile::default())]
        {
            let socket = StoredSocket { number: 7, vm: "shop/web-1".to_owned(), listener, socket: () };
            let received =
                stored((message(&socket), OwnedFd::from(File::open("/dev/null").unwrap()))).unwrap();
            assert_eq!((received.vm, received.listener), (socket.vm, socket.listener));
        }
    }
}
