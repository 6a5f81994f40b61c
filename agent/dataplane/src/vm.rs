//! A virtual machine: one leaf, one socket, a few connections.

use ::clock::{RateLimit, RateLimiter};
use htb::{NodeId, Tick};

use crate::clock::SECOND;
use crate::command_limiter::CommandLimiter;
use crate::config::Client;
use crate::limit_hits::LimitHits;
use crate::listener::Listener;
use crate::read_budget::ReadBudget;
use crate::slab::Key;
use crate::unsolicited::{Credit, Unsolicited};

/// Live connections of one VM. QEMU has one; a second is a tool, or the next QEMU before the first is gone.
pub(crate) const MAX_CONNECTIONS: usize = 4;

/// Connections of one VM that are accepted: ten a second, 32 at once. A QEMU makes one a second while it has none; a
/// script that asks by `entropool egd` makes a few in a row.
const ACCEPTS: RateLimit = RateLimit::per_second(10, 32);

/// How long a VM that asked far too much gets no new connection: as long as a QEMU takes to try again.
const PENALTY: u64 = SECOND;

/// A VM from attach to detach.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) client: Client,
    /// Its pool.
    pub(crate) pool: Key,
    pub(crate) leaf: NodeId,
    /// `None` for the moment between its admission and its socket.
    pub(crate) listener: Option<Listener>,
    pub(crate) connections: Connections,
    /// What the connections that are gone had asked.
    pub(crate) asked_before: egd::Counters,
    /// Bytes it was served unsolicited.
    pub(crate) unsolicited: u64,
    /// Since when it waits for bytes that the pool has and that are not for it.
    pub(crate) degraded_since: Option<Tick>,
    /// It has only ever asked by 0x02, or nothing yet, here and in the process before.
    pub(crate) only_reads: bool,
    /// What may be pushed to it without tokens.
    pub(crate) credit: Credit,
    accepts: RateLimiter,
    pub(crate) late: Late,
    pub(crate) command_limiter: CommandLimiter,
    pub(crate) read_budget: ReadBudget,
    pub(crate) limit_hits: LimitHits,
}

impl Vm {
    /// A VM that has a place in its class, and no socket yet.
    pub(crate) fn new(id: String, namespace: String, client: Client, pool: Key, leaf: NodeId) -> Self {
        let (connections, asked_before) = (Connections::default(), egd::Counters::default());
        Self {
            id,
            namespace,
            client,
            pool,
            leaf,
            listener: None,
            connections,
            asked_before,
            unsolicited: 0,
            degraded_since: None,
            only_reads: true,
            credit: Credit::default(),
            accepts: RateLimiter::default(),
            late: Late::default(),
            command_limiter: CommandLimiter::default(),
            read_budget: ReadBudget::default(),
            limit_hits: LimitHits::default(),
        }
    }

    /// When its next connection may be accepted: `now` or later.
    pub(crate) fn accepts_at(&self, now: Tick) -> Tick {
        self.accepts.ready_at(ACCEPTS, now)
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&mut self, now: Tick) {
        self.accepts.charge(ACCEPTS, now);
        self.limit_hits.delayed += u64::from(self.late.come());
    }

    /// It is to make no connection for a while.
    pub(crate) fn bar(&mut self, now: Tick) {
        self.accepts.block_until(ACCEPTS, now.after(PENALTY));
    }

    /// What a connection that it makes now may be pushed.
    pub(crate) fn pushes(&mut self, now: Tick) -> Unsolicited {
        match self.client {
            Client::Qemu if self.only_reads => Unsolicited::new(now, self.credit.take(now)),
            // It would take them for the answer to what it asks next.
            Client::Qemu | Client::Egd => Unsolicited::never(),
        }
    }

    /// Adds what a connection that goes had asked.
    pub(crate) fn add_asked(&mut self, asked: egd::Counters) {
        add(&mut self.asked_before, asked);
    }
}

/// Adds up what connections asked.
pub(crate) fn add(sum: &mut egd::Counters, other: egd::Counters) {
    sum.level += other.level;
    sum.non_blocking += other.non_blocking;
    sum.blocking += other.blocking;
    sum.write += other.write;
    sum.pid += other.pid;
    sum.discarded += other.discarded;
    sum.saturations += other.saturations;
}

/// Whether a VM's next connection, should there be one, waits until it may be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    waits: bool,
    listed: bool,
}

impl Late {
    /// It has to wait. True if it is on no list yet.
    pub(crate) fn wait(&mut self) -> bool {
        self.waits = true;
        !std::mem::replace(&mut self.listed, true)
    }

    /// The list has come to it.
    pub(crate) fn due(&mut self) {
        self.listed = false;
    }

    /// There is none.
    pub(crate) fn nobody(&mut self) {
        self.waits = false;
    }

    /// It was accepted. True if it had to wait.
    pub(crate) fn come(&mut self) -> bool {
        std::mem::take(&mut self.waits)
    }

    /// Whether it has to wait.
    pub(crate) fn waits(self) -> bool {
        self.waits
    }
}

/// The connections of a VM, oldest first, and whose turn it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    keys: Vec<Key>,
    turn: usize,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes a new connection, and gives the one that has to go for it.
    pub(crate) fn add(&mut self, key: Key) -> Option<Key> {
        self.keys.push(key);
        (self.keys.len() > MAX_CONNECTIONS).then(|| self.keys[0])
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.keys.retain(|&kept| kept != key);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().copied()
    }

    /// The next connection, in turns, that `wants` something.
    pub(crate) fn next(&mut self, wants: impl Fn(Key) -> bool) -> Option<Key> {
        let count = self.keys.len();
        let found = (self.turn..self.turn + count).map(|at| at % count).find(|&at| wants(self.keys[at]))?;
        self.turn = found + 1;
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
    fn connections_take_turns_and_those_that_want_nothing_are_passed_over() {
        let mut connections = Connections::default();
        assert_eq!(connections.next(|_| true), None);
        (0..3).for_each(|slot| assert_eq!(connections.add(key(slot)), None));
        let mut turns = || connections.next(|key| key.slot != 1).map(|key| key.slot);
        assert_eq!([turns(), turns(), turns()], [Some(0), Some(2), Some(0)]);
        assert_eq!(connections.next(|_| false), None);
    }

    #[test]
    fn whoever_has_to_wait_is_listed_also_where_nobody_was_there_the_last_time() {
        let mut late = Late::default();
        assert!(late.wait());
        assert!(!late.wait(), "once is enough");
        late.due();
        late.nobody();
        assert!(late.wait());
        late.due();
        assert!(late.wait(), "it was barred meanwhile");
        late.due();
        assert!(late.come());
        assert!(!late.come());
    }

    #[test]
    fn a_fifth_connection_costs_the_oldest_its_place() {
        let mut connections = Connections::default();
        (0..4).for_each(|slot| assert_eq!(connections.add(key(slot)), None));
        assert_eq!(connections.add(key(4)), Some(key(0)));
        connections.remove(key(0));
        assert_eq!(connections.iter().map(|key| key.slot).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(connections.len(), MAX_CONNECTIONS);
    }
}
