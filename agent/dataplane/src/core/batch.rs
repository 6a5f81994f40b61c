//! One batch: everything is read, then the trees decide, then everything is written. In any other order it would
//! be epoll that decides whose turn it is.

use htb::{Decision, Tick};

use crate::connection::{CloseReason, Connection};
use crate::core::state::DataPlane;
use crate::poll::{Events, Token};
use crate::pool::NextGrant;
use crate::slab::Key;

/// Grants of one pool in a batch: the time until everybody's sockets are looked at again.
const GRANTS: u32 = 512;

/// So many connections take long enough to read that the clock is worth another look.
const LONG: usize = 16;

/// How long a pool of the kernel's bytes, which are short only before it is seeded, waits until it asks again: 50 ms.
const SUPPLY_RETRY: u64 = 50_000_000;

impl DataPlane {
    /// One round over all that is ready, by this clock.
    pub(crate) fn batch(&mut self, events: &Events, scratch: &mut [u8], clock: impl Fn() -> Tick) {
        let mut now = clock();
        self.work.batch += 1;
        self.sort(events, now);
        self.accept_all(now);
        let read = self.read_all(scratch, now);
        if read > LONG {
            now = clock();
        }
        self.close_stalled(now);
        self.push_due(now);
        self.note_levels(now);
        self.dequeue_all(now);
        self.note_levels(now);
        self.write_all(now);
        self.close_ended(now);
    }

    /// Sorts the events by what is to be done about them.
    fn sort(&mut self, events: &Events, now: Tick) {
        for event in events.iter() {
            match event.token {
                Token::Timer => {}
                Token::Waker => self.supplied(now),
                Token::Listener(vm) => self.work.accept.push(vm),
                Token::Connection(key) if event.gone => self.hang_up(key, now),
                Token::Connection(key) => {
                    if event.writable {
                        self.unblock(key, now);
                    }
                    if event.ended {
                        self.connections.get_mut(key).into_iter().for_each(|gone| gone.ended = true);
                    }
                    self.list_to_read(key);
                }
            }
        }
    }

    fn hang_up(&mut self, key: Key, now: Tick) {
        if self.connections.get(key).is_some() {
            self.counters.closed.ended += 1;
            self.remove(key, now);
        }
    }

    /// Reads once from all that may have sent something; who sent more stays on the list.
    fn read_all(&mut self, scratch: &mut [u8], now: Tick) -> usize {
        let count = self.work.read.len();
        for at in 0..count {
            let key = self.work.read[at];
            self.read(key, scratch, now);
        }
        self.work.read.drain(..count);
        // In front of those that were read from and have more: so the connections of a VM take turns.
        self.work.deferred.append(&mut self.work.read);
        std::mem::swap(&mut self.work.deferred, &mut self.work.read);
        count
    }

    fn read(&mut self, key: Key, scratch: &mut [u8], now: Tick) {
        let batch = self.work.batch;
        let Some((connection, vm, _)) = self.parts(key) else { return };
        let left = vm.read_budget.left(batch).min(scratch.len());
        if left == 0 {
            vm.limit_hits.deferred += 1;
            self.counters.limit_hits.deferred += 1;
            self.work.deferred.push(key);
            return;
        }
        connection.listed.read = false;
        match connection.receive(&mut scratch[..left], now) {
            Ok(received) => {
                vm.read_budget.spend(received.bytes);
                let ended = connection.ended && !received.more;
                let flooding = vm.command_limiter.came(received.idle, now);
                self.counters.reads += 1;
                if flooding {
                    return self.close_faulty(key, CloseReason::Flooding, now);
                }
                self.list_stalled(key);
                self.ask(key, now);
                self.judge(key);
                if received.more {
                    self.list_to_read(key);
                }
                if ended {
                    self.work.ended.push(key);
                }
            }
            Err(fault) => self.close_faulty(key, fault, now),
        }
    }

    fn dequeue_all(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            if let Some(key) = self.pools.key(slot)
                && self.pools.get(key).is_some_and(|pool| pool.is_due(now))
            {
                self.dequeue(key, now);
            }
        }
    }

    /// Grants what one pool can grant now.
    fn dequeue(&mut self, key: Key, now: Tick) {
        for _ in 0..GRANTS {
            self.grade(key, now);
            let Some(pool) = self.pools.get_mut(key) else { return };
            let decision = pool.shaper.tree_mut().dequeue(now, pool.supply.level());
            if let Decision::Grant { leaf, bytes } = decision {
                let vm = pool.members.vm(leaf).expect("a leaf that asks is a VM's");
                // The tree knows nothing of the time in which the pool's bytes were not for this VM.
                let kept = self.vms.get_mut(vm).and_then(|vm| vm.degraded_since.take());
                let waited = kept.map_or(0, |since| now.since(since)).max(pool.shaper.tree().waited());
                pool.members.granted(leaf, waited);
                self.counters.grants += 1;
                self.counters.granted += bytes;
                pool.records.charge(pool.shaper.tree(), leaf);
                self.share(vm, bytes, now);
            } else {
                pool.next = next(decision, pool.setup.supply.spec().is_some(), now);
                if !self.settle(key, now) {
                    return;
                }
            }
        }
        if let Some(pool) = self.pools.get_mut(key) {
            pool.next = NextGrant::Now;
        }
    }

    /// Gives a VM's grant to its connections, in turns.
    fn share(&mut self, vm: Key, bytes: u64, now: Tick) {
        let mut rest = bytes;
        while rest > 0 {
            let Self { vms, connections, .. } = self;
            let wants = |key| connections.get(key).is_some_and(Connection::wants);
            let Some(key) = vms.get_mut(vm).and_then(|vm| vm.connections.next(wants)) else {
                debug_assert!(false, "a backlog that is no connection's");
                return;
            };
            rest -= self.give(key, rest, now);
        }
    }

    fn give(&mut self, key: Key, offered: u64, now: Tick) -> u64 {
        let Some((connection, _, pool)) = self.parts(key) else { return offered };
        let given = connection.grant(offered);
        connection.reserve(&mut pool.supply);
        let (satisfied, full) = (!connection.wants(), connection.is_window_full());
        self.list_to_write(key);
        if satisfied {
            self.ask(key, now);
        }
        if full {
            self.note_levels(now);
            self.flush(key, now);
        }
        given
    }

    /// Nobody can be granted more: whoever asked by 0x01 gets what there was. True if they ask on.
    fn settle(&mut self, pool: Key, now: Tick) -> bool {
        let Some(waiting) = self.pools.get_mut(pool).map(|pool| &mut pool.to_settle) else { return false };
        std::mem::swap(waiting, &mut self.work.settle);
        let count = self.work.settle.len();
        for at in 0..count {
            let key = self.work.settle[at];
            let Some((connection, vm, pool)) = self.parts(key) else { continue };
            connection.listed.settle = false;
            if connection.is_asking() {
                connection.withdraw(pool.shaper.tree_mut(), vm.leaf, now);
                self.list_to_write(key);
                self.ask(key, now);
            }
        }
        self.work.settle.clear();
        count > 0
    }

    /// Writes once to all that have something pending.
    fn write_all(&mut self, now: Tick) {
        let count = self.work.write.len();
        for at in 0..count {
            let key = self.work.write[at];
            if let Some(connection) = self.connections.get_mut(key) {
                connection.listed.write = false;
                self.flush(key, now);
                self.close_drained(key, now);
            }
        }
        self.work.write.drain(..count);
    }

    /// Peers that have sent their last were served what could go at once; what they are still owed is forgotten.
    fn close_ended(&mut self, now: Tick) {
        for at in 0..self.work.ended.len() {
            self.hang_up(self.work.ended[at], now);
        }
        self.work.ended.clear();
    }
}

fn next(decision: Decision, rings: bool, now: Tick) -> NextGrant {
    match decision {
        Decision::Grant { .. } => NextGrant::Now,
        Decision::WaitUntil(due) => NextGrant::At(due),
        Decision::WaitForSupply { .. } if rings => NextGrant::Supply,
        Decision::WaitForSupply { .. } => NextGrant::At(now.after(SUPPLY_RETRY)),
        Decision::Idle => NextGrant::Idle,
    }
}
