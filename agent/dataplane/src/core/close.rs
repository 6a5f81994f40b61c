//! The way out: what is owed is served as far as it may go, then all is closed.

use htb::Tick;

use crate::connection::{CloseReason, Connection};
use crate::core::state::DataPlane;
use crate::slab::Key;

impl DataPlane {
    /// From now on nobody is accepted, and a connection is closed once nothing is owed on it, or at `deadline`.
    /// Reading goes on meanwhile, as always.
    pub(crate) fn drain(&mut self, deadline: Tick, now: Tick) {
        self.deadline = Some(deadline);
        for (_, vm) in self.vms.iter() {
            if let Some(listener) = &vm.listener
                && let Err(error) = self.poll.forget(listener)
            {
                tracing::warn!(vm = vm.id, %error, "a socket still takes connections while draining");
            }
        }
        self.work.accept.clear();
        self.work.accept_late.clear();
        self.work.starved.clear();
        let all: Vec<Key> = self.connections.iter().map(|(key, _)| key).collect();
        for key in all {
            self.close_drained(key, now);
        }
    }

    /// Closes a connection if the server drains and owes it nothing.
    pub(crate) fn close_drained(&mut self, key: Key, now: Tick) {
        if self.deadline.is_some() && self.connections.get(key).is_some_and(Connection::is_quiet) {
            self.counters.closed.detached += 1;
            self.remove(key, now);
        }
    }

    /// Is there nothing left to do, or no time?
    pub(crate) fn is_drained(&self, now: Tick) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now || self.connections.len() == 0)
    }
}

impl DataPlane {
    /// Notes by when the command has to be whole that a connection is in the middle of.
    pub(crate) fn list_stalled(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // Once listed it stays so until then, however many commands it begins: a list that a guest could make grow
        // would be no bound.
        if let Some(due) = connection.command_timeout.due().filter(|_| !connection.listed.stalled) {
            connection.listed.stalled = true;
            self.work.stalled.insert(due, key);
        }
    }

    /// Ends the connections whose command is overdue.
    pub(crate) fn close_stalled(&mut self, now: Tick) {
        while let Some(key) = self.work.stalled.pop(now) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.listed.stalled = false;
            if connection.command_timeout.due().is_some_and(|due| due <= now) {
                self.close_faulty(key, CloseReason::Stalled, now);
            } else {
                self.list_stalled(key);
            }
        }
    }
}
