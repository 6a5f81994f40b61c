//! Keeping the store up to date: which sockets it has, and what the session file says of each connection.

use std::os::fd::AsFd;

use htb::Tick;

use super::state::DataPlane;
use super::stored_sockets::{StoredSockets, Unstored};
use crate::clock::MILLISECOND;
use crate::listener::Listener;
use crate::slab::Key;
use crate::socket_store::{ListenerFile, StoredSocket};

/// When an update is tried again that the store could not take: 10 ms.
const RETRY: u64 = 10 * MILLISECOND;

/// The numbers in one update: a few kilobytes.
const MAX_REMOVED: usize = 1024;

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
        let StoredSockets { opened: Some((backend, _)), unstored, removed, failed, .. } = store else {
            return true;
        };
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
                *failed = false;
                true
            }
            Ok(false) => false,
            Err(error) => {
                // What was stored before stays valid: its records are written on.
                if !std::mem::replace(failed, true) {
                    tracing::warn!(%error, "the supervisor cannot keep sockets; a crash will close new connections");
                }
                false
            }
        }
    }
}
