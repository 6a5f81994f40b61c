//! Copies of a worker's sockets, and its session file, for the next worker should this one die.
//!
//! The supervisor does not know what they are: a worker numbers and labels them, and the next one reads the labels.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message as _;
use proto::handover::{StoreUpdate, StoredSocket};
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::fd_packet::{self, DESCRIPTORS, Packet};

/// The most bytes of an update. Those of workers are smaller.
pub(super) const UPDATE: usize = 128 * 1024;

/// What a supervisor keeps for the next worker. Clones share the descriptors.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketStore {
    sessions: Option<Arc<OwnedFd>>,
    sockets: BTreeMap<u32, Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    label: Vec<u8>,
    socket: Arc<OwnedFd>,
}

impl SocketStore {
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Applies an update of the worker.
    fn apply(&mut self, update: StoreUpdate, descriptors: Vec<OwnedFd>) {
        let mut descriptors = descriptors.into_iter();
        if update.sessions {
            *self = Self { sessions: descriptors.next().map(Arc::new), sockets: BTreeMap::new() };
        }
        for number in update.removed {
            self.sockets.remove(&number);
        }
        for (StoredSocket { number, label }, socket) in update.added.into_iter().zip(descriptors) {
            self.sockets.insert(number, Kept { label, socket: Arc::new(socket) });
        }
    }

    /// All of it, as updates with their descriptors. The last one says so.
    fn updates(&self) -> Vec<(StoreUpdate, Vec<Arc<OwnedFd>>)> {
        let mut updates = Vec::new();
        if let Some(sessions) = &self.sessions {
            let update = StoreUpdate { sessions: true, ..StoreUpdate::default() };
            updates.push((update, vec![Arc::clone(sessions)]));
        }
        let sockets: Vec<_> = self.sockets.iter().collect();
        for chunk in sockets.chunks(DESCRIPTORS) {
            let added = chunk
                .iter()
                .map(|(number, kept)| StoredSocket { number: **number, label: kept.label.clone() });
            let update = StoreUpdate { added: added.collect(), ..StoreUpdate::default() };
            updates.push((update, chunk.iter().map(|(_, kept)| Arc::clone(&kept.socket)).collect()));
        }
        updates.push((StoreUpdate { complete: true, ..StoreUpdate::default() }, Vec::new()));
        updates
    }
}

/// The supervisor's end of the socket by which a worker updates its store.
#[derive(Debug)]
pub(super) struct StoreChannel {
    socket: Arc<UnixDatagram>,
    store: SocketStore,
    /// An update could not be read: the store has only what came before.
    failed: bool,
}

impl StoreChannel {
    /// A channel for a worker that starts with `store`, and the worker's end of it. The worker is sent the store while it
    /// starts.
    pub(super) fn open(store: SocketStore) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdUnixDatagram::pair()?;
        ours.set_nonblocking(true)?;
        let socket = Arc::new(UnixDatagram::from_std(ours)?);
        tokio::spawn(send_all(Arc::clone(&socket), store.updates()));
        Ok((Self { socket, store, failed: false }, theirs.into()))
    }

    /// Whether the worker is passed any socket.
    pub(super) fn passes_sockets(&self) -> bool {
        !self.store.is_empty()
    }

    /// Applies the updates of the worker as they come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        while !self.failed
            && let Poll::Ready(Ok(())) = self.socket.poll_recv_ready(context)
        {
            let received = self.socket.try_io(Interest::READABLE, || receive(&self.socket));
            self.apply(received);
        }
    }

    /// The store of a worker that has died, with its last updates.
    pub(super) fn into_store(mut self) -> SocketStore {
        // Past tokio, which may not have seen yet that there is more.
        while !self.failed && self.apply(receive(&self.socket)) {}
        self.store
    }

    /// Whether there was an update.
    fn apply(&mut self, received: io::Result<(StoreUpdate, Vec<OwnedFd>)>) -> bool {
        match received {
            Ok((update, descriptors)) => {
                self.store.apply(update, descriptors);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => {
                tracing::warn!(%error, "sockets are not kept: a crash will close all connections");
                // Without its connections, which it may close at any time.
                (self.store, self.failed) = (SocketStore::default(), true);
                false
            }
        }
    }
}

/// Reads an update without waiting.
fn receive(socket: &UnixDatagram) -> io::Result<(StoreUpdate, Vec<OwnedFd>)> {
    let Packet { bytes, descriptors } = fd_packet::receive(socket, UPDATE, RecvFlags::DONTWAIT)?;
    Ok((StoreUpdate::decode(&*bytes).map_err(io::Error::other)?, descriptors))
}

/// Sends a worker everything that is kept for it.
async fn send_all(socket: Arc<UnixDatagram>, updates: Vec<(StoreUpdate, Vec<Arc<OwnedFd>>)>) {
    for (update, descriptors) in updates {
        let bytes = update.encode_to_vec();
        let descriptors: Vec<_> = descriptors.iter().map(|socket| socket.as_fd()).collect();
        let send = || fd_packet::send(&*socket, &[IoSlice::new(&bytes)], &descriptors, SendFlags::DONTWAIT);
        if let Err(error) = socket.async_io(Interest::WRITABLE, send).await {
            // A worker that has died gets nothing.
            if !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) {
                tracing::error!(%error, "failed to pass on the sockets of the worker that died");
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn added(numbers: &[u32]) -> (StoreUpdate, Vec<OwnedFd>) {
        let label = |number: &u32| StoredSocket { number: *number, label: number.to_be_bytes().to_vec() };
        let update = StoreUpdate { added: numbers.iter().map(label).collect(), ..StoreUpdate::default() };
        (update, numbers.iter().map(|_| memfd_create("socket", MemfdFlags::CLOEXEC).unwrap()).collect())
    }

    fn numbers(store: &SocketStore) -> Vec<u32> {
        store.sockets.keys().copied().collect()
    }

    #[test]
    fn a_store_has_what_was_added_and_not_removed() {
        let mut store = SocketStore::default();
        let (update, descriptors) = added(&[1, 2, 3]);
        store.apply(update, descriptors);
        let (update, descriptors) = added(&[2, 4]);
        store.apply(StoreUpdate { removed: vec![1, 2, 9], ..update }, descriptors);
        assert_eq!(numbers(&store), [2, 3, 4], "a number that is used again is removed first");
        let sessions = memfd_create("sessions", MemfdFlags::CLOEXEC).unwrap();
        store.apply(StoreUpdate { sessions: true, ..StoreUpdate::default() }, vec![sessions]);
        assert!(store.is_empty(), "a new session file begins a new store");
    }

    #[test]
    fn the_next_worker_is_passed_everything_in_parts() {
        let mut store = SocketStore::default();
        let count = u32::try_from(DESCRIPTORS).unwrap() * 2 + 1;
        let (update, descriptors) = added(&(0..count).collect::<Vec<_>>());
        store.apply(update, descriptors);
        let updates = store.updates();
        assert_eq!(updates.iter().map(|(_, sockets)| sockets.len()).collect::<Vec<_>>(), [240, 240, 1, 0]);
        assert!(updates[3].0.complete);
        assert!(updates.iter().all(|(update, _)| update.encoded_len() < UPDATE / 4));
    }
}
