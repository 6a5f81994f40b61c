//! The data plane's state, and the few steps that touch more than one part of it.

use ::clock::DeadlineQueue;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;

use htb::Tick;

use crate::connection::{CloseReason, Connection, Flushed};
use crate::counters::Counters;
use crate::crash_state::CrashState;
use crate::heartbeat::Heartbeat;
use crate::limits::Descriptors;
use crate::listener::Listener;
use crate::poll::{Poll, Token};
use crate::pool::{NextGrant, Pool};
use crate::slab::{Key, Slab};
use crate::vm::Vm;

/// Everything the loop owns. One thread has it, so there is no lock in it.
#[derive(Debug)]
pub(crate) struct DataPlane {
    pub(crate) poll: Poll,
    pub(crate) pools: Slab<Pool>,
    pub(crate) vms: Slab<Vm>,
    pub(crate) connections: Slab<Connection>,
    /// VMs by their id.
    pub(crate) ids: HashMap<String, Key>,
    pub(crate) descriptors: Descriptors,
    pub(crate) counters: Counters,
    pub(crate) work: Work,
    /// It obeys and does not serve: another process still does.
    pub(crate) paused: bool,
    /// Sockets of another process that nobody wants any more, to be removed when that is gone.
    pub(crate) orphaned_listeners: Vec<Listener>,
    /// What a crash must not forget.
    pub(crate) state: CrashState,
    /// When to stop at the latest, once draining.
    pub(crate) deadline: Option<Tick>,
    /// What is seen of it from outside.
    pub(crate) heartbeat: Heartbeat,
}

/// Who is to be looked at in this batch or, as far as it did not get there, in the next.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// VMs to whom somebody connects.
    pub(crate) accept: Vec<Key>,
    /// VMs that made many connections in a short time, by when the next may be accepted.
    pub(crate) accept_late: DeadlineQueue<Key>,
    /// VMs whose next connection waits for a descriptor.
    pub(crate) starved: Vec<Key>,
    /// When to try again for these.
    pub(crate) starved_until: Option<Tick>,
    /// Connections that may have sent something.
    pub(crate) read: Vec<Key>,
    /// Connections whose VM has had its portion of this batch: they come first in the next.
    pub(crate) deferred: Vec<Key>,
    /// How many batches there were.
    pub(crate) batch: u64,
    /// Connections in the middle of a command, by when it has to have ended.
    pub(crate) stalled: DeadlineQueue<Key>,
    /// Connections that have something to be written.
    pub(crate) write: Vec<Key>,
    /// Connections whose 0x01 is being decided; empty between two decisions.
    pub(crate) settle: Vec<Key>,
    /// Connections that may be pushed something, by when to look at them. Each is here once.
    pub(crate) push: BinaryHeap<Reverse<(Tick, Key)>>,
    /// Connections that wait for their supply to have bytes.
    pub(crate) dry: Vec<Key>,
    /// Connections whose peer has sent its last; they go at the end of the batch.
    pub(crate) ended: Vec<Key>,
}

impl DataPlane {
    pub(crate) fn new(descriptors: Descriptors, state: CrashState) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            pools: Slab::new(),
            vms: Slab::new(),
            connections: Slab::new(),
            ids: HashMap::new(),
            descriptors,
            counters: Counters::default(),
            work: Work::default(),
            paused: false,
            orphaned_listeners: Vec::new(),
            state,
            deadline: None,
            heartbeat: Heartbeat::default(),
        })
    }

    /// Brings a connection's demand to its pool's tree.
    pub(crate) fn ask(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        let supply = if pool.is_shut(vm.leaf) { None } else { Some(&pool.supply) };
        let asked = connection.ask(pool.shaper.tree_mut(), vm.leaf, now, supply, &mut vm.command_limiter);
        vm.limit_hits.unanswered += asked.unanswered;
        if pool.is_shut(vm.leaf) && connection.session().owed() > 0 {
            vm.degraded_since.get_or_insert(now);
        }
        if asked.enqueued {
            pool.next = NextGrant::Now;
        }
        if connection.is_asking() && !connection.listed.settle {
            connection.listed.settle = true;
            pool.to_settle.push(key);
        }
        self.counters.limit_hits.unanswered += asked.unanswered;
        if asked.answered {
            self.list_to_write(key);
        }
    }

    /// Puts a connection on the list of those to write to.
    pub(crate) fn list_to_write(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.listed.write)
        {
            connection.listed.write = true;
            self.work.write.push(key);
        }
    }

    /// Puts a connection on the list of those to read from.
    pub(crate) fn list_to_read(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.listed.read) {
            connection.listed.read = true;
            self.work.read.push(key);
        }
    }

    /// Writes what a connection has pending, and what follows from how that went.
    pub(crate) fn flush(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        let degraded = pool.allows_degraded(vm.leaf);
        match connection.flush(&mut pool.supply, degraded) {
            Err(fault) => self.close_faulty(key, fault, now),
            Ok(Flushed::Blocked) => self.block(key, now),
            Ok(Flushed::Dry) => self.list_dry(key),
            // What it asked beyond the room for answers can be asked now.
            Ok(Flushed::All) if !connection.wants() => self.ask(key, now),
            Ok(Flushed::All) => {}
        }
    }

    /// Its peer does not read: it has no demand until it does. Reading from it goes on.
    fn block(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        connection.withdraw(pool.shaper.tree_mut(), vm.leaf, now);
        connection.release(&mut pool.supply);
        pool.next = NextGrant::Now;
        self.counters.blocked += 1;
        self.watch_writing(key, true, now);
    }

    /// Its peer has read again.
    pub(crate) fn unblock(&mut self, key: Key, now: Tick) {
        let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.is_writable())
        else {
            return;
        };
        connection.resume();
        self.watch_writing(key, false, now);
        self.flush(key, now);
    }

    fn watch_writing(&mut self, key: Key, on: bool, now: Tick) {
        let Some(connection) = self.connections.get(key) else { return };
        if let Err(error) = self.poll.watch_writing(connection, Token::Connection(key), on) {
            tracing::warn!(%error, "a connection cannot be watched and is closed");
            self.counters.closed.broken += 1;
            self.remove(key, now);
        }
    }

    /// Ends a connection for what its peer did, or the kernel said. No other is touched.
    pub(crate) fn close_faulty(&mut self, key: Key, fault: CloseReason, now: Tick) {
        self.counters.closed.count(fault);
        self.counters.limit_hits.count(fault);
        if let Some((_, vm, _)) = self.parts(key) {
            vm.limit_hits.count(fault);
            if fault == CloseReason::Flooding {
                vm.bar(now);
            }
            tracing::debug!(vm = vm.id, reason = fault.reason(), error = %fault, "connection closed");
        }
        self.remove(key, now);
    }

    /// Ends a connection, whatever for: what it asked is forgotten.
    pub(crate) fn remove(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        if connection.wants() {
            connection.withdraw(pool.shaper.tree_mut(), vm.leaf, now);
            // The instant that the tree named may have been for this demand.
            pool.next = NextGrant::Now;
        }
        connection.release(&mut pool.supply);
        vm.connections.remove(key);
        if vm.connections.len() == 0 {
            vm.degraded_since = None;
        }
        vm.add_asked(connection.session().counters());
        self.connections.remove(key);
        // Its descriptor is free for somebody who waits for one.
        self.work.accept.append(&mut self.work.starved);
    }

    /// A connection with its VM and pool.
    pub(crate) fn parts(&mut self, key: Key) -> Option<(&mut Connection, &mut Vm, &mut Pool)> {
        let connection = self.connections.get_mut(key)?;
        let vm = self.vms.get_mut(connection.vm)?;
        let pool = self.pools.get_mut(vm.pool)?;
        Some((connection, vm, pool))
    }
}
