//! The data plane's state, and the steps that touch a connection together with its VM and its pool.

use std::io;

use htb::Tick;

use super::heartbeat::Heartbeat;
use super::stored_sockets::StoredSockets;
use crate::connection::{Connection, Connections, Flushed};
use crate::counters::Counters;
use crate::descriptors::Descriptors;
use crate::listener::Listener;
use crate::persist::BucketStateFile;
use crate::poll::{LoopWaker, Poll, Token};
use crate::pool::{NextGrant, Pools, ServedPool};
use crate::slab::Key;
use crate::vm::{AcceptQueue, Vm, VmTable};

/// Everything the loop owns. Only its thread has access, so there are no locks.
#[derive(Debug)]
pub(crate) struct DataPlane {
    pub(super) poll: Poll,
    pub(super) pools: Pools,
    pub(super) vms: VmTable,
    pub(super) connections: Connections,
    pub(super) accepts: AcceptQueue,
    /// Ordinal of the current batch.
    pub(super) batch: u64,
    pub(super) descriptors: Descriptors,
    pub(super) counters: Counters,
    pub(super) bucket_state_file: BucketStateFile,
    pub(super) heartbeat: Heartbeat,
    pub(super) store: StoredSockets,
    /// Executes commands and serves no I/O: another process still serves.
    pub(super) paused: bool,
    /// Sockets of the predecessor that no attached VM uses, removed once it has exited.
    pub(super) orphaned_listeners: Vec<Listener>,
    /// When draining ends at the latest; `None` while it serves.
    pub(super) drain_deadline: Option<Tick>,
}

impl DataPlane {
    pub(crate) fn new(
        descriptors: Descriptors,
        bucket_state_file: BucketStateFile,
        heartbeat: Heartbeat,
        store: StoredSockets,
        paused: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            pools: Pools::new(),
            vms: VmTable::new(),
            connections: Connections::new(),
            accepts: AcceptQueue::default(),
            batch: 0,
            descriptors,
            counters: Counters::default(),
            bucket_state_file,
            heartbeat,
            store,
            paused,
            orphaned_listeners: Vec::new(),
            drain_deadline: None,
        })
    }

    pub(crate) fn waker(&self) -> LoopWaker {
        self.poll.waker()
    }

    /// A connection with its VM and pool.
    pub(super) fn resolve(&mut self, key: Key) -> Option<(&mut Connection, &mut Vm, &mut ServedPool)> {
        let connection = self.connections.get_mut(key)?;
        let vm = self.vms.get_mut(connection.vm)?;
        let pool = self.pools.get_mut(vm.pool)?;
        Some((connection, vm, pool))
    }

    /// Enqueues a connection's demand in its pool's tree.
    pub(super) fn enqueue_demand(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        let supply = if pool.is_withheld(vm.leaf) { None } else { Some(&pool.supply) };
        let tree = pool.shaper.tree_mut();
        let enqueued = connection.enqueue_demand(tree, vm.leaf, now, supply, &mut vm.command_limiter);
        vm.limit_hits.unanswered += enqueued.unanswered;
        if pool.is_withheld(vm.leaf) && connection.session().owed() > 0 {
            vm.degraded_since.get_or_insert(now);
        }
        if enqueued.in_tree {
            pool.next = NextGrant::Now;
        }
        let waits = connection.non_blocking_due().is_some();
        self.counters.limit_hits.unanswered += enqueued.unanswered;
        if enqueued.answered {
            self.connections.schedule_write(key);
        }
        if waits {
            self.connections.schedule_non_blocking_read(key);
        }
    }

    /// Writes what a connection has pending, and acts on the outcome.
    pub(super) fn flush(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        let degraded = pool.allows_degraded(vm.leaf);
        let flushed = connection.flush(&mut pool.supply, degraded);
        let Some(connection) = self.connections.get(key) else { return };
        self.store.save(connection);
        match flushed {
            Err(reason) => self.close(key, reason, now),
            Ok(Flushed::Blocked) => self.block(key, now),
            Ok(Flushed::Dry) => self.wait_for_supply(key),
            Ok(Flushed::All) if connection.is_done() => self.connections.schedule_close(key),
            // Requests for which the backlog had no room can be enqueued now.
            Ok(Flushed::All) if !connection.has_demand() => self.enqueue_demand(key, now),
            Ok(Flushed::All) => {}
        }
    }

    /// The peer's buffer is full: the connection has no demand until it drains. Reading continues.
    fn block(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        connection.withdraw_demand(pool.shaper.tree_mut(), vm.leaf, now);
        connection.release(&mut pool.supply);
        pool.next = NextGrant::Now;
        self.counters.blocked += 1;
        self.set_write_interest(key, true, now);
    }

    /// The peer's buffer has room again.
    pub(super) fn unblock(&mut self, key: Key, now: Tick) {
        let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.is_writable())
        else {
            return;
        };
        connection.set_writable();
        self.set_write_interest(key, false, now);
        self.flush(key, now);
    }

    fn set_write_interest(&mut self, key: Key, on: bool, now: Tick) {
        let Some(connection) = self.connections.get(key) else { return };
        if let Err(error) = self.poll.set_write_interest(connection, Token::Connection(key), on) {
            tracing::warn!(%error, "failed to watch connection; closing it");
            self.counters.closed.broken += 1;
            self.remove_connection(key, now);
        }
    }

    /// Adds an accepted or restored connection. `None` if it cannot be watched, and so is closed.
    pub(super) fn insert_connection(&mut self, connection: Connection) -> Option<Key> {
        let key = self.connections.insert(connection);
        let watched = self.connections.get(key)?;
        if let Err(error) = self.poll.add(watched, Token::Connection(key)) {
            tracing::warn!(%error, "failed to watch connection; closing it");
            if let Some(record) = watched.record() {
                self.store.release(record);
            }
            self.connections.remove(key);
            return None;
        }
        self.store_connection(key);
        Some(key)
    }
}
