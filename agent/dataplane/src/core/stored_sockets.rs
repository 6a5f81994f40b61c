//! Keeping the store up to date: which sockets it has, and what the session file says of each connection.

use std::os::fd::AsFd;

use htb::Tick;

use super::state::DataPlane;
use crate::clock::MILLISECOND;
use crate::connection::Connection;
use crate::listener::Listener;
use crate::persist::{SessionFile, SessionIndex};
use crate::slab::Key;
use crate::socket_store::{ListenerFile, SocketStore, StoredSocket};

/// When an update is tried again that the store could not take: 10 ms.
const RETRY: u64 = 10 * MILLISECOND;

/// The numbers in one update: a few kilobytes.
const MAX_REMOVED: usize = 1024;

/// A socket that the store does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unstored {
    Connection(Key),
    Listener(Key),
}

/// The store, with the changes that it does not know yet. Without one, all connections end with this process.
#[derive(Debug, Default)]
pub(crate) struct StoredSockets {
    opened: Option<(Box<dyn SocketStore>, SessionFile)>,
    unstored: Vec<Unstored>,
    removed: Vec<SessionIndex>,
    /// What the store has of a process that died.
    left: Vec<SessionIndex>,
    retry_at: Option<Tick>,
}

impl StoredSockets {
    /// `left` is what the store has of a process that died.
    pub(crate) fn new(store: Box<dyn SocketStore>, sessions: SessionFile, left: Vec<SessionIndex>) -> Self {
        Self { opened: Some((store, sessions)), left, ..Self::default() }
    }

    /// What the store has of a process that died, once.
    pub(super) fn take_left(&mut self) -> Vec<SessionIndex> {
        std::mem::take(&mut self.left)
    }

    /// Stores what a connection's session has become.
    pub(super) fn save(&mut self, connection: &Connection) {
        if let (Some((_, sessions)), Some(record)) = (&mut self.opened, connection.record()) {
            sessions.save(record, connection.session());
        }
    }

    /// The socket with this number is closed, or about to be.
    pub(super) fn release(&mut self, record: SessionIndex) {
        if let Some((_, sessions)) = &mut self.opened {
            sessions.release(record);
            self.removed.push(record);
        }
    }

    /// Of what a process that died had in the store, these numbers are used no more.
    pub(super) fn release_all(&mut self, records: impl IntoIterator<Item = SessionIndex>) {
        records.into_iter().for_each(|record| self.release(record));
    }

    fn allocate(&mut self) -> Option<SessionIndex> {
        self.opened.as_mut()?.1.allocate()
    }

    /// When an update is due without an event.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.retry_at
    }

    fn is_up_to_date(&self) -> bool {
        self.unstored.is_empty() && self.removed.is_empty()
    }
}

impl DataPlane {
    /// Has the store keep a connection, from the end of this batch on.
    pub(super) fn store_connection(&mut self, key: Key) {
        let Self { connections, store, .. } = self;
        let Some(connection) = connections.get_mut(key) else { return };
        // One of a process that died is there.
        if connection.record().is_none()
            && let Some(record) = store.allocate()
        {
            connection.set_record(Some(record));
            store.unstored.push(Unstored::Connection(key));
        }
        store.save(connection);
    }

    /// The same for the listening socket of a VM, unless it is a port: that is free as soon as it is closed.
    pub(super) fn store_listener(&mut self, key: Key) {
        let Self { vms, store, .. } = self;
        let Some(vm) = vms.get_mut(key) else { return };
        let is_file = vm.listener.as_ref().is_some_and(Listener::is_file);
        if is_file && vm.listener_record.is_none() {
            vm.listener_record = store.allocate();
            if vm.listener_record.is_some() {
                store.unstored.push(Unstored::Listener(key));
            }
        }
    }

    /// Tells the store what has changed.
    pub(super) fn update_store(&mut self, now: Tick) {
        self.store.retry_at = None;
        while !self.store.is_up_to_date() {
            if !self.update_store_once() {
                self.store.retry_at = Some(now.after(RETRY));
                return;
            }
        }
    }

    /// Whether the store has taken the update.
    fn update_store_once(&mut self) -> bool {
        let Self { vms, connections, store, .. } = self;
        let StoredSockets { opened: Some((backend, _)), unstored, removed, .. } = store else { return true };
        let (now_removed, now_added) = (removed.len().min(MAX_REMOVED), unstored.len().min(backend.batch()));
        // Numbers are used again: what is removed comes first, all of it.
        let now_added = if now_removed < removed.len() { 0 } else { now_added };
        let added = unstored[..now_added].iter().filter_map(|unstored| match *unstored {
            Unstored::Connection(key) => {
                let connection = connections.get(key)?;
                let (number, vm) = (connection.record()?, vms.get(connection.vm)?.id.clone());
                Some(StoredSocket { number, vm, listener: None, socket: connection.as_fd() })
            }
            Unstored::Listener(key) => {
                let vm = vms.get(key)?;
                let (number, listener) = (vm.listener_record?, vm.listener.as_ref()?);
                let elsewhere = listener.external_path().map(Into::into);
                let file = ListenerFile { file: listener.file(), elsewhere };
                let socket = listener.as_fd();
                Some(StoredSocket { number, vm: vm.id.clone(), listener: Some(file), socket })
            }
        });
        let added: Vec<_> = added.collect();
        match backend.update(&removed[..now_removed], &added) {
            Ok(true) => {
                removed.drain(..now_removed);
                unstored.drain(..now_added);
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(%error, "sockets are kept no more: a crash will close all connections");
                *store = StoredSockets::default();
                true
            }
        }
    }
}
