//! What a data plane transfers to its successor: sockets, connections and the state of each. No random bytes are
//! transferred; bytes granted and not written are transferred as a number.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use egd::SessionSnapshot;
use htb::Tick;
use rustix::net::getsockname;

use super::state::DataPlane;
use crate::config::AttachRequest;
use crate::connection::Connection;
use crate::error::AttachError;
use crate::listener::{Listener, socket_path};
use crate::slab::Key;
use crate::vm::{Credit, Unsolicited};

/// A VM with its sockets, which are `S`: borrowed when sent, owned when received.
#[derive(Debug)]
pub struct VmState<S> {
    pub id: String,
    /// Its listening socket.
    pub listener: Option<S>,
    /// Its number in the store, if it is there.
    pub listener_record: Option<u32>,
    /// Device and inode of that socket's file.
    pub file: (u64, u64),
    /// The file's path, if it is not in the socket directory but in one that its creator will remove.
    pub elsewhere: Option<PathBuf>,
    /// Its connections, oldest first.
    pub connections: Vec<ConnectionState<S>>,
    /// Requests of connections that have closed.
    pub asked_before: egd::SessionCounters,
    /// Bytes served since it was attached, `unsolicited` ones included; `None` of a process that died.
    pub bytes: Option<u64>,
    pub unsolicited: u64,
    /// When it may be pushed bytes on credit again.
    pub credit_again: Tick,
}

#[derive(Debug)]
pub struct ConnectionState<S> {
    pub socket: S,
    /// Requests not answered, and answers not written.
    pub session: SessionSnapshot,
    /// The peer has shut down its side.
    pub ended: bool,
    /// During the push phase: when the next push is due, and the bytes left on credit.
    pub push: Option<(Tick, u64)>,
    /// Its number in the store, if it is there.
    pub record: Option<u32>,
}

/// How a hand-over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverOutcome {
    /// A successor serves the VMs. This data plane no longer serves, and ends.
    Transferred,
    /// No successor took over: this data plane continues to serve.
    Resumed,
}

/// The predecessor's side.
impl DataPlane {
    /// Stops serving, passes all VMs to `transfer`, and resumes or ends depending on the result.
    pub(crate) fn hand_over(
        &mut self,
        transfer: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome,
        now: Tick,
    ) -> HandoverOutcome {
        self.withdraw_all(now);
        self.save_levels(now);
        let outcome = transfer(self.export_vms(now));
        match outcome {
            HandoverOutcome::Transferred => self.end_transferred(now),
            HandoverOutcome::Resumed => self.resume(),
        }
        outcome
    }

    /// Returns all demand from the trees to the sessions.
    fn withdraw_all(&mut self, now: Tick) {
        for key in self.connections.keys() {
            let Some((connection, vm, pool)) = self.resolve(key) else { continue };
            connection.withdraw_demand(pool.shaper.tree_mut(), vm.leaf, now);
        }
    }

    fn export_vms(&self, now: Tick) -> Vec<VmState<BorrowedFd<'_>>> {
        let vms = self.vms.iter().filter_map(|(_, vm)| {
            let pool = self.pools.get(vm.pool)?;
            let connections = vm.connections.iter().filter_map(|key| self.connections.get(key));
            Some(VmState {
                id: vm.id.clone(),
                listener: vm.listener.as_ref().map(AsFd::as_fd),
                listener_record: None,
                file: vm.listener.as_ref().map_or((0, 0), Listener::file),
                elsewhere: vm.listener.as_ref().and_then(Listener::external_path).map(Path::to_owned),
                connections: connections.map(ConnectionState::of).collect(),
                asked_before: vm.asked_before,
                bytes: Some(pool.shaper.tree().stats(vm.leaf, now).bytes),
                unsolicited: vm.unsolicited,
                credit_again: vm.credit.available_at(),
            })
        });
        vms.collect()
    }

    /// The successor has all sockets: only our own descriptors are closed, and no file is removed.
    fn end_transferred(&mut self, now: Tick) {
        self.abandon_listeners();
        for key in self.connections.keys() {
            self.connections.remove(key);
        }
        self.drain_deadline = Some(now);
    }

    /// Closes all listeners and leaves their files.
    pub(crate) fn abandon_listeners(&mut self) {
        for key in self.vms.keys() {
            if let Some(listener) = self.vms.get_mut(key).and_then(|vm| vm.listener.take()) {
                listener.abandon();
            }
        }
    }

    /// Polls all sockets: what arrived in the meantime causes no new event.
    fn resume(&mut self) {
        for key in self.connections.keys() {
            self.connections.schedule_read(key);
            self.connections.schedule_write(key);
        }
        for key in self.vms.keys() {
            self.accepts.push(key);
        }
    }
}

/// The successor's side.
impl DataPlane {
    /// Admits the VMs that the predecessor is expected to transfer, while that still serves them. Returns those that are
    /// refused.
    pub(crate) fn register_expected(
        &mut self,
        wanted: BTreeMap<String, AttachRequest>,
        now: Tick,
    ) -> Vec<(String, AttachError)> {
        let admit = |(id, attach)| Some((id, self.admit(attach, now).err()?));
        wanted.into_iter().filter_map(admit).collect()
    }

    /// Restores the expected VMs; listeners of others are closed when the predecessor has exited.
    pub(crate) fn restore_connections(
        &mut self,
        received: Vec<VmState<OwnedFd>>,
        socket_dir: &Path,
        now: Tick,
    ) {
        self.reload_bucket_state(now);
        for key in self.vms.keys() {
            self.register_vm(key, now);
        }
        for vm in received {
            match self.vms.by_id(&vm.id) {
                Some(key) => self.restore_vm(key, vm, socket_dir, now),
                None => self.orphaned_listeners.extend(vm.into_listener(socket_dir)),
            }
        }
        self.release_unused();
    }

    /// Has the store forget what it has of a process that died and this one does not serve.
    fn release_unused(&mut self) {
        let mut left = self.store.take_left();
        if left.is_empty() {
            return;
        }
        let connections =
            self.connections.keys().into_iter().filter_map(|key| self.connections.get(key)?.record());
        let served = self.vms.iter().filter(|(_, vm)| vm.listener.is_some());
        let used: HashSet<u32> = connections.chain(served.filter_map(|(_, vm)| vm.listener_record)).collect();
        left.retain(|record| !used.contains(record));
        self.store.release_all(left);
    }

    /// The predecessor has stopped: its last records are valid.
    fn reload_bucket_state(&mut self, now: Tick) {
        self.bucket_state_file.reload();
        for key in self.pools.keys() {
            self.restore_pool(key, now);
        }
    }

    fn restore_vm(&mut self, key: Key, mut state: VmState<OwnedFd>, socket_dir: &Path, now: Tick) {
        if let Some(vm) = self.vms.get_mut(key) {
            vm.asked_before = state.asked_before;
            vm.unsolicited = state.unsolicited;
            vm.credit = Credit::from(state.credit_again);
            vm.listener_record = state.listener_record;
        }
        for connection in std::mem::take(&mut state.connections) {
            self.restore_connection(key, connection, now);
        }
        if let Some(listener) = state.into_listener(socket_dir)
            && let Err(error) = self.serve(key, listener)
        {
            tracing::warn!(%error, "failed to restore socket; creating a new one");
        }
    }

    fn restore_connection(&mut self, vm: Key, state: ConnectionState<OwnedFd>, now: Tick) {
        let Some(connection) = state.into_connection(vm, now) else {
            tracing::warn!("connection state is invalid; closing the connection");
            return;
        };
        let Some(key) = self.insert_connection(connection) else { return };
        if let Some(vm) = self.vms.get_mut(vm) {
            vm.connections.add(key);
        }
        self.connections.schedule_push(key);
        self.connections.schedule_timeout(key);
        self.connections.schedule_read(key);
        self.connections.schedule_write(key);
    }

    /// The predecessor no longer serves: takes ownership of the restored sockets. Returns the VMs that have no socket yet.
    pub(crate) fn resume_serving(&mut self) -> Vec<(Key, String)> {
        self.paused = false;
        // Dropped as their owner, they remove their files.
        self.orphaned_listeners.drain(..).for_each(|mut listener| listener.take_ownership());
        for key in self.vms.keys() {
            if let Some(listener) = self.vms.get_mut(key).and_then(|vm| vm.listener.as_mut()) {
                listener.take_ownership();
            }
        }
        let without = self.vms.iter().filter(|(_, vm)| vm.listener.is_none());
        without.map(|(key, vm)| (key, vm.id.clone())).collect()
    }
}

impl VmState<OwnedFd> {
    /// Its listener, if its path still leads to the same file.
    fn into_listener(self, socket_dir: &Path) -> Option<Listener> {
        let name = self.listener.as_ref().and_then(|socket| getsockname(socket).ok());
        if let Some(Ok(address)) = name.map(SocketAddr::try_from) {
            return self.listener.map(|socket| Listener::inherited_port(socket, address));
        }
        let owns_directory = self.elsewhere.is_none();
        let path = self.elsewhere.map_or_else(|| socket_path(socket_dir, &self.id).ok(), Some)?;
        let found = fs::symlink_metadata(&path).ok()?;
        let bound = (found.dev(), found.ino()) == self.file;
        let inherited = |socket| Listener::inherited(socket, path, self.file, owns_directory);
        self.listener.filter(|_| bound).map(inherited)
    }
}

impl<'a> ConnectionState<BorrowedFd<'a>> {
    fn of(connection: &'a Connection) -> Self {
        Self {
            socket: connection.as_fd(),
            session: connection.session().snapshot(),
            ended: connection.ended,
            push: connection.unsolicited.state(),
            record: None,
        }
    }
}

impl ConnectionState<OwnedFd> {
    /// `None` if the session's state is invalid.
    fn into_connection(self, vm: Key, now: Tick) -> Option<Connection> {
        let session = egd::Session::restore(&self.session).ok()?;
        let unsolicited =
            self.push.map_or(Unsolicited::never(), |(due, credit)| Unsolicited::resume(due, credit));
        let mut connection = Connection::with_session(self.socket, vm, unsolicited, session);
        connection.set_record(self.record);
        connection.ended = self.ended;
        connection.command_timeout.update(true, connection.session().partial_command(), now);
        Some(connection)
    }
}
