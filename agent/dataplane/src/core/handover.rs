//! What a data plane leaves to its successor: sockets, connections and where each of them stands. No random byte is
//! among it; what was granted and not written goes as a number.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use egd::SessionSnapshot;
use htb::Tick;
use rustix::net::getsockname;

use crate::config::AttachRequest;
use crate::connection::Connection;
use crate::core::state::DataPlane;
use crate::error::AttachError;
use crate::listener::Listener;
use crate::listener::socket_path;
use crate::poll::Token;
use crate::slab::Key;
use crate::vm::{Credit, Unsolicited};

/// A VM with its sockets, which are `S`: borrowed on the way out, owned on the way in.
#[derive(Debug)]
pub struct VmState<S> {
    /// Its id.
    pub id: String,
    /// Its listening socket.
    pub listener: Option<S>,
    /// Device and inode of that socket's file.
    pub file: (u64, u64),
    /// Where that file is, if not in the socket directory: in a directory that somebody else made and will remove.
    pub elsewhere: Option<PathBuf>,
    /// Its connections, oldest first.
    pub connections: Vec<ConnectionState<S>>,
    /// What connections that are gone had asked.
    pub asked_before: egd::Counters,
    /// Bytes it was served since it was attached, and those among them that it did not ask for.
    pub bytes: u64,
    /// See `bytes`.
    pub unsolicited: u64,
    /// When it may be pushed something on credit again.
    pub credit_again: Tick,
}

/// A connection.
#[derive(Debug)]
pub struct ConnectionState<S> {
    /// Its socket.
    pub socket: S,
    /// What is asked and not answered, decided and not written.
    pub session: SessionSnapshot,
    /// The peer sends no more.
    pub ended: bool,
    /// While it may still be pushed something: when to look at it, and what it may have on credit.
    pub push: Option<(Tick, u64)>,
}

/// What became of an estate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverOutcome {
    /// A successor serves it. This data plane serves nothing any more, and ends.
    Transferred,
    /// Nobody took it: this data plane goes on.
    Resumed,
}

impl DataPlane {
    /// Stops serving, shows `hand` what there is, and goes on or ends as that says.
    pub(crate) fn hand_over(
        &mut self,
        hand: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome,
        now: Tick,
    ) -> HandoverOutcome {
        self.withdraw_all(now);
        self.note_levels(now);
        let verdict = hand(self.estate(now));
        match verdict {
            HandoverOutcome::Transferred => self.leave(now),
            HandoverOutcome::Resumed => self.go_on(),
        }
        verdict
    }

    /// What stands in the trees goes back to the sessions.
    fn withdraw_all(&mut self, now: Tick) {
        for key in self.all_connections() {
            let Some((connection, vm, pool)) = self.parts(key) else { continue };
            connection.withdraw(pool.shaper.tree_mut(), vm.leaf, now);
        }
    }

    fn estate(&self, now: Tick) -> Vec<VmState<BorrowedFd<'_>>> {
        let vms = self.vms.iter().filter_map(|(_, vm)| {
            let pool = self.pools.get(vm.pool)?;
            let connections = vm.connections.iter().filter_map(|key| self.connections.get(key));
            Some(VmState {
                id: vm.id.clone(),
                listener: vm.listener.as_ref().map(AsFd::as_fd),
                file: vm.listener.as_ref().map_or((0, 0), Listener::file),
                elsewhere: vm.listener.as_ref().and_then(Listener::elsewhere).map(Path::to_owned),
                connections: connections.map(Connection::estate).collect(),
                asked_before: vm.asked_before,
                bytes: pool.shaper.tree().stats(vm.leaf, now).bytes,
                unsolicited: vm.unsolicited,
                credit_again: vm.credit.again(),
            })
        });
        vms.collect()
    }

    /// Another process has it all: nothing is closed but our own ends, and no file is removed.
    fn leave(&mut self, now: Tick) {
        for key in self.vms.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let listener = self.vms.get_mut(key).and_then(|vm| vm.listener.take());
            listener.into_iter().for_each(Listener::abandon);
        }
        for key in self.all_connections() {
            self.connections.remove(key);
        }
        self.deadline = Some(now);
    }

    /// Looks at everybody: what came meanwhile makes no new event.
    fn go_on(&mut self) {
        for key in self.all_connections() {
            self.list_to_read(key);
            self.list_to_write(key);
        }
        self.work.accept.extend(self.vms.iter().map(|(key, _)| key));
    }

    fn all_connections(&self) -> Vec<Key> {
        self.connections.iter().map(|(key, _)| key).collect()
    }

    /// The process before has stopped: what it noted last is what holds.
    pub(crate) fn recall(&mut self, now: Tick) {
        self.state.recall_again();
        let keys: Vec<_> = self.pools.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.retake(key, now);
        }
    }

    /// Gives those that will be inherited their places, while another process serves them. Gives those that cannot have
    /// one.
    pub(crate) fn expect(
        &mut self,
        wanted: BTreeMap<String, AttachRequest>,
        now: Tick,
    ) -> Vec<(String, AttachError)> {
        let admit = |(id, attach)| Some((id, self.admit(attach, now).err()?));
        wanted.into_iter().filter_map(admit).collect()
    }

    /// Takes over what is expected of an estate; the rest goes when the process before has.
    pub(crate) fn inherit_all(&mut self, left: Vec<VmState<OwnedFd>>, socket_dir: &Path, now: Tick) {
        self.recall(now);
        for key in self.vms.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            self.enroll_vm(key, now);
        }
        for vm in left {
            match self.vm_named(&vm.id) {
                Some(key) => self.inherit(key, vm, socket_dir, now),
                None => self.orphaned_listeners.extend(vm.bound(socket_dir)),
            }
        }
    }

    fn inherit(&mut self, key: Key, mut left: VmState<OwnedFd>, socket_dir: &Path, now: Tick) {
        if let Some(vm) = self.vms.get_mut(key) {
            (vm.asked_before, vm.unsolicited) = (left.asked_before, left.unsolicited);
            vm.credit = Credit::until(left.credit_again);
        }
        for connection in std::mem::take(&mut left.connections) {
            self.inherit_connection(key, connection, now);
        }
        if let Some(listener) = left.bound(socket_dir)
            && let Err(error) = self.serve(key, listener)
        {
            tracing::warn!(%error, "a socket is made anew");
        }
    }

    fn inherit_connection(&mut self, vm: Key, left: ConnectionState<OwnedFd>, now: Tick) {
        let Some(connection) = Connection::inherited(left, vm, now) else {
            tracing::warn!("a connection whose state is none is closed");
            return;
        };
        let key = self.connections.insert(connection);
        let Some(connection) = self.connections.get(key) else { return };
        if let Err(error) = self.poll.watch(connection, Token::Connection(key)) {
            tracing::warn!(%error, "a connection cannot be watched and is closed");
            self.connections.remove(key);
            return;
        }
        self.vms.get_mut(vm).and_then(|vm| vm.connections.add(key));
        self.list_to_push(key);
        self.list_stalled(key);
        self.list_to_read(key);
        self.list_to_write(key);
    }

    /// The process before serves no more, and what it left is this one's. Gives the VMs that have no socket yet.
    pub(crate) fn own(&mut self) -> Vec<(Key, String)> {
        self.paused = false;
        // Their files go with them.
        self.orphaned_listeners.drain(..).for_each(|mut listener| listener.own());
        for key in self.vms.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let listener = self.vms.get_mut(key).and_then(|vm| vm.listener.as_mut());
            listener.into_iter().for_each(Listener::own);
        }
        let without = self.vms.iter().filter(|(_, vm)| vm.listener.is_none());
        without.map(|(key, vm)| (key, vm.id.clone())).collect()
    }
}

impl VmState<OwnedFd> {
    /// Its socket, if that still is what its path leads to.
    fn bound(self, socket_dir: &Path) -> Option<Listener> {
        let name = self.listener.as_ref().and_then(|socket| getsockname(socket).ok());
        if let Some(Ok(address)) = name.map(SocketAddr::try_from) {
            return self.listener.map(|socket| Listener::inherited_port(socket, address));
        }
        let directory_goes = self.elsewhere.is_none();
        let path = self.elsewhere.map_or_else(|| socket_path(socket_dir, &self.id).ok(), Some)?;
        let found = fs::symlink_metadata(&path).ok()?;
        let bound = (found.dev(), found.ino()) == self.file;
        let inherited = |socket| Listener::inherited(socket, path, self.file, directory_goes);
        self.listener.filter(|_| bound).map(inherited)
    }
}

impl Connection {
    fn estate(&self) -> ConnectionState<BorrowedFd<'_>> {
        ConnectionState {
            socket: self.as_fd(),
            session: self.session().snapshot(),
            ended: self.ended,
            push: self.unsolicited.left(),
        }
    }

    fn inherited(left: ConnectionState<OwnedFd>, vm: Key, now: Tick) -> Option<Self> {
        let unsolicited =
            left.push.map_or(Unsolicited::never(), |(due, credit)| Unsolicited::new(due, credit));
        let mut connection = Self::new(left.socket, vm, unsolicited);
        connection.ended = left.ended;
        connection.resume_session(egd::Session::restore(&left.session).ok()?);
        connection.command_timeout.read(true, connection.session().partial_command(), now);
        Some(connection)
    }
}
