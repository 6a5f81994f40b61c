//! A virtual machine: one leaf, one socket, a few connections, and the limits on what it may do.

mod accept_queue;
mod limits;
mod unsolicited;
mod vms;

pub use limits::LimitHits;

pub(crate) use accept_queue::AcceptQueue;
pub(crate) use limits::CommandLimiter;
pub(crate) use unsolicited::{
    ClientBehaviour, Credit, PushDecision, PushLimiter, SocketObservation, Unsolicited,
};
pub(crate) use vms::VmTable;

use ::clock::{RateLimit, RateLimiter};
use htb::{NodeId, Tick};

use self::accept_queue::AcceptDelay;
use self::limits::ReadBudget;
use crate::clock::SECOND;
use crate::config::Client;
use crate::listener::Listener;
use crate::persist::SessionIndex;
use crate::slab::Key;

/// Live connections of one VM whose client is QEMU, which has one; a second is a tool, or the next QEMU before the first
/// has closed.
pub(crate) const QEMU_CONNECTIONS: usize = 4;

/// Connections of one VM that are accepted at once, if it may have fewer: a script that calls `entropool egd` makes a few
/// in a row.
const MIN_ACCEPT_BURST: usize = 32;

/// Connections of one VM that are accepted: ten a second, and at once as many as it may have, since all processes of a web
/// server may connect together. QEMU makes one a second while it has none.
fn accept_limit(max_connections: usize) -> RateLimit {
    RateLimit::per_second(10, max_connections.max(MIN_ACCEPT_BURST) as u64)
}

/// How long a VM that flooded gets no new connection: as long as QEMU takes to reconnect.
const PENALTY: u64 = SECOND;

/// A VM from attach to detach.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) pool: Key,
    pub(crate) leaf: NodeId,
    /// `None` between its admission and its socket.
    pub(crate) listener: Option<Listener>,
    /// The number of its listener in the store.
    pub(crate) listener_record: Option<SessionIndex>,
    pub(crate) connections: ConnectionRing,
    /// Requests of connections that have closed.
    pub(crate) asked_before: egd::SessionCounters,
    /// Bytes served unsolicited.
    pub(crate) unsolicited: u64,
    /// Since when it has waited for bytes that the pool has but withholds from it.
    pub(crate) degraded_since: Option<Tick>,
    /// It has only ever sent 0x02, or nothing yet, to this process and its predecessor.
    pub(crate) only_reads: bool,
    /// What may be pushed to it without tokens.
    pub(crate) credit: Credit,
    pub(crate) push_limiter: PushLimiter,
    accepts: RateLimiter,
    pub(crate) accept_delay: AcceptDelay,
    pub(crate) command_limiter: CommandLimiter,
    pub(crate) read_budget: ReadBudget,
    pub(crate) limit_hits: LimitHits,
}

impl Vm {
    /// A VM that has a leaf in its class, and no socket yet.
    pub(crate) fn new(id: String, namespace: String, client: Client, pool: Key, leaf: NodeId) -> Self {
        Self {
            id,
            namespace,
            client,
            pool,
            leaf,
            listener: None,
            listener_record: None,
            connections: ConnectionRing::default(),
            asked_before: egd::SessionCounters::default(),
            unsolicited: 0,
            degraded_since: None,
            only_reads: true,
            credit: Credit::default(),
            push_limiter: PushLimiter::default(),
            accepts: RateLimiter::default(),
            accept_delay: AcceptDelay::default(),
            command_limiter: CommandLimiter::default(),
            read_budget: ReadBudget::default(),
            limit_hits: LimitHits::default(),
        }
    }

    /// When the next connection of a VM that may have so many may be accepted: `now` or later.
    pub(crate) fn next_accept(&self, max_connections: usize, now: Tick) -> Tick {
        self.accepts.ready_at(accept_limit(max_connections), now)
    }

    pub(crate) fn count_accept(&mut self, max_connections: usize, now: Tick) {
        self.accepts.charge(accept_limit(max_connections), now);
        self.limit_hits.delayed += u64::from(self.accept_delay.finish());
    }

    /// Delays its next connection, as a penalty.
    pub(crate) fn delay_accepts(&mut self, max_connections: usize, now: Tick) {
        self.accepts.block_until(accept_limit(max_connections), now.after(PENALTY));
    }

    /// Whether a connection that it makes now may be pushed anything, should it be silent.
    pub(crate) fn unsolicited_policy(&self, now: Tick) -> Unsolicited {
        match self.client {
            Client::Qemu if self.only_reads => Unsolicited::new(now),
            // What its VM has sent does not count, since this program sends what QEMU sends.
            Client::Detect => Unsolicited::new(now),
            // It would take them for the answer to its next request.
            Client::Qemu | Client::Egd => Unsolicited::never(),
        }
    }

    /// Adds the requests of a connection that closes.
    pub(crate) fn add_requests(&mut self, counters: egd::SessionCounters) {
        add_counters(&mut self.asked_before, counters);
    }
}

pub(crate) fn add_counters(sum: &mut egd::SessionCounters, other: egd::SessionCounters) {
    sum.level += other.level;
    sum.non_blocking += other.non_blocking;
    sum.blocking += other.blocking;
    sum.write += other.write;
    sum.pid += other.pid;
    sum.discarded += other.discarded;
    sum.saturations += other.saturations;
}

/// The connections of a VM, oldest first, with a round-robin cursor.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionRing {
    keys: Vec<Key>,
    cursor: usize,
}

impl ConnectionRing {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn add(&mut self, key: Key) {
        self.keys.push(key);
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.keys.retain(|&other| other != key);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().copied()
    }

    /// The next connection, round robin, that has demand.
    pub(crate) fn next(&mut self, has_demand: impl Fn(Key) -> bool) -> Option<Key> {
        let count = self.keys.len();
        let found =
            (self.cursor..self.cursor + count).map(|at| at % count).find(|&at| has_demand(self.keys[at]))?;
        self.cursor = found + 1;
        Some(self.keys[found])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    #[test]
    fn connections_take_turns_and_those_without_demand_are_skipped() {
        let mut connections = ConnectionRing::default();
        assert_eq!(connections.next(|_| true), None);
        (0..3).for_each(|slot| connections.add(key(slot)));
        let mut turns = || connections.next(|key| key.slot != 1).map(|key| key.slot);
        assert_eq!([turns(), turns(), turns()], [Some(0), Some(2), Some(0)]);
        assert_eq!(connections.next(|_| false), None);
    }
}
