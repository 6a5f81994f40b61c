//! The way out: what is owed is served as far as it may go, then all is closed.

use htb::Tick;

use crate::connection::Connection;
use crate::slab::Key;
use crate::state::DataPlane;

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
        self.deadline.is_some_and(|deadline| deadline <= now || self.connections.is_empty())
    }
}
