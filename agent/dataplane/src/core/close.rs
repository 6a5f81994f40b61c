//! How connections end: closed by the peer, because of a limit, for a newer connection, or while the data plane drains.

use htb::Tick;

use super::state::DataPlane;
use crate::connection::{CloseReason, Connection};
use crate::pool::NextGrant;
use crate::slab::Key;

impl DataPlane {
    /// Closes a connection for what its peer did or the kernel reported. No other connection is affected.
    pub(super) fn close(&mut self, key: Key, reason: CloseReason, now: Tick) {
        self.counters.closed.count(reason);
        self.counters.limit_hits.count(reason);
        let max_connections =
            self.connections.get(key).map_or(0, |connection| self.max_connections(connection.vm));
        if let Some((_, vm, _)) = self.resolve(key) {
            vm.limit_hits.count(reason);
            if reason == CloseReason::Flooding {
                vm.delay_accepts(max_connections, now);
            }
            tracing::debug!(vm = vm.id, reason = reason.reason(), error = %reason, "connection closed");
        }
        self.remove_connection(key, now);
    }

    /// Removes a connection, for whatever reason; its demand is dropped.
    pub(super) fn remove_connection(&mut self, key: Key, now: Tick) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        if connection.has_demand() {
            connection.withdraw_demand(pool.shaper.tree_mut(), vm.leaf, now);
            // The tree may have chosen its next instant for this demand.
            pool.next = NextGrant::Now;
        }
        connection.release(&mut pool.supply);
        vm.connections.remove(key);
        if vm.connections.len() == 0 {
            vm.degraded_since = None;
        }
        vm.add_requests(connection.session().counters());
        if let Some(record) = connection.record() {
            connection.shut_down();
            self.store.release(record);
        }
        self.connections.remove(key);
        // A VM that waits for a descriptor can have this one.
        self.accepts.retry_starved();
    }

    /// The peer has closed the connection.
    pub(super) fn close_hung_up(&mut self, key: Key, now: Tick) {
        if self.connections.get(key).is_some() {
            self.counters.closed.ended += 1;
            self.remove_connection(key, now);
        }
    }

    /// Closes connections whose peers have shut down their side, once they have been sent everything that they were owed.
    /// Until then they are as all others: what they are owed is in the tree, they count as connections of their VM, and
    /// they are closed at once if the peer does not read any more either.
    pub(super) fn close_done(&mut self, now: Tick) {
        while let Some(key) = self.connections.pop_close() {
            if self.connections.get(key).is_some_and(Connection::is_done) {
                self.close_hung_up(key, now);
            }
        }
    }

    /// Closes connections whose command is overdue.
    pub(super) fn close_timed_out(&mut self, now: Tick) {
        while let Some(key) = self.connections.pop_timed_out(now) {
            self.close(key, CloseReason::Stalled, now);
        }
    }

    /// Keeps a descriptor for the one connection that each VM needs, and the reserve for everything else: the VM with the
    /// most connections loses its oldest, or the next such VM, if only that has one that waits for no answer.
    pub(super) fn reclaim_descriptors(&mut self, now: Tick) {
        while self.descriptors.are_short(self.vms.len(), self.connections.len()) {
            let several = self.vms.iter().filter(|(_, vm)| vm.connections.len() > 1);
            let mut several: Vec<_> = several.map(|(key, vm)| (vm.connections.len(), key)).collect();
            several.sort_unstable_by(|one, other| other.cmp(one));
            let idle = several.iter().find_map(|&(_, vm)| self.replaceable(vm));
            let oldest = || several.first().and_then(|&(_, vm)| self.oldest(vm));
            let Some(replaced) = idle.or_else(oldest) else { return };
            self.close_replaced(replaced, now);
        }
    }

    /// The oldest connection of a VM that waits for no answer.
    pub(super) fn replaceable(&self, vm: Key) -> Option<Key> {
        let is_replaceable = |key: &Key| self.connections.get(*key).is_some_and(Connection::is_replaceable);
        self.vms.get(vm)?.connections.iter().find(is_replaceable)
    }

    pub(super) fn oldest(&self, vm: Key) -> Option<Key> {
        self.vms.get(vm)?.connections.iter().next()
    }

    pub(super) fn close_replaced(&mut self, oldest: Key, now: Tick) {
        let Some((_, vm, _)) = self.resolve(oldest) else { return };
        vm.limit_hits.replaced += 1;
        tracing::debug!(vm = vm.id, reason = "Replaced", "connection closed for a newer one");
        self.counters.limit_hits.replaced += 1;
        self.counters.closed.replaced += 1;
        self.remove_connection(oldest, now);
    }

    /// Accepts no more connections, and closes each once it is owed nothing, or at `deadline`. Reading continues.
    pub(crate) fn drain(&mut self, deadline: Tick, now: Tick) {
        self.drain_deadline = Some(deadline);
        for (_, vm) in self.vms.iter() {
            if let Some(listener) = &vm.listener
                && let Err(error) = self.poll.remove(listener)
            {
                tracing::warn!(vm = vm.id, %error, "socket still accepts connections while draining");
            }
        }
        self.accepts.clear();
        for key in self.connections.keys() {
            self.close_drained(key, now);
        }
    }

    /// Closes a connection if the data plane drains and owes it nothing.
    pub(super) fn close_drained(&mut self, key: Key, now: Tick) {
        if self.drain_deadline.is_some() && self.connections.get(key).is_some_and(Connection::is_idle) {
            self.counters.closed.detached += 1;
            self.remove_connection(key, now);
        }
    }

    /// Whether nothing is left to do, or the deadline has passed.
    pub(super) fn is_drained(&self, now: Tick) -> bool {
        self.drain_deadline.is_some_and(|deadline| deadline <= now || self.connections.len() == 0)
    }
}
