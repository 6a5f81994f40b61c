//! One batch: read everything, let the trees decide, then write everything. In any other order epoll would decide
//! which VM is served first.

use htb::{Decision, Tick};

use super::state::DataPlane;
use crate::connection::{CloseReason, Connection, Received};
use crate::persist::ReadBuffer;
use crate::poll::{PollEvents, Token};
use crate::pool::NextGrant;
use crate::slab::Key;

/// Grants of one pool in a batch. It bounds the time until all sockets are polled again.
const MAX_GRANTS: u32 = 512;

/// Reading this many connections takes long enough that the clock is read again.
const MANY_READS: usize = 16;

/// How long a pool waits for the kernel's bytes, which are missing only before the kernel is seeded: 50 ms.
const SUPPLY_RETRY: u64 = 50_000_000;

impl DataPlane {
    /// One round over everything that is ready.
    pub(crate) fn batch(&mut self, events: &PollEvents, buffer: &mut ReadBuffer, clock: impl Fn() -> Tick) {
        let mut now = clock();
        self.batch += 1;
        self.dispatch(events, now);
        self.accept_all(now);
        let reads = self.read_all(buffer, now);
        if reads > MANY_READS {
            now = clock();
        }
        self.close_timed_out(now);
        self.push_due(now);
        self.save_levels(now);
        self.dequeue_all(now);
        self.end_non_blocking_reads(now);
        self.save_levels(now);
        self.write_all(now);
        self.close_done(now);
        self.update_store(now);
    }

    /// Schedules the work for each event.
    fn dispatch(&mut self, events: &PollEvents, now: Tick) {
        for event in events.iter() {
            match event.token {
                Token::Timer => {}
                Token::Waker => self.retry_supplies(now),
                Token::Listener(vm) => self.accepts.push(vm),
                Token::Connection(key) if event.hung_up => self.close_hung_up(key, now),
                Token::Connection(key) => {
                    if event.writable {
                        self.unblock(key, now);
                    }
                    if event.ended
                        && let Some(connection) = self.connections.get_mut(key)
                    {
                        connection.ended = true;
                    }
                    self.connections.schedule_read(key);
                }
            }
        }
    }

    /// Reads once from each connection that may have received something; one that received more stays on the list.
    fn read_all(&mut self, buffer: &mut ReadBuffer, now: Tick) -> usize {
        let count = self.connections.to_read().len();
        for at in 0..count {
            let key = self.connections.to_read()[at];
            self.read(key, buffer, now);
        }
        self.connections.finish_reads(count);
        count
    }

    fn read(&mut self, key: Key, buffer: &mut ReadBuffer, now: Tick) {
        let batch = self.batch;
        let Some((_, vm, _)) = self.resolve(key) else { return };
        let budget = vm.read_budget.left(batch);
        if budget == 0 {
            vm.limit_hits.deferred += 1;
            self.counters.limit_hits.deferred += 1;
            self.connections.defer_read(key);
            return;
        }
        let Some(received) = self.receive(key, buffer, budget, now) else { return };
        let Some((connection, vm, _)) = self.resolve(key) else { return };
        match received {
            Ok(received) => {
                vm.read_budget.spend(received.bytes);
                if received.bytes > 0 {
                    vm.push_limiter.reset();
                }
                let ended = connection.ended && !received.more;
                if ended {
                    connection.end_input(now);
                }
                let flooding = vm.command_limiter.count_commands(received.free_commands, now);
                self.counters.reads += 1;
                if flooding {
                    return self.close(key, CloseReason::Flooding, now);
                }
                self.connections.schedule_timeout(key);
                self.enqueue_demand(key, now);
                self.update_behaviour(key);
                if received.more {
                    self.connections.schedule_read(key);
                }
                if ended {
                    self.connections.schedule_close(key);
                }
            }
            Err(reason) => self.close(key, reason, now),
        }
    }

    /// Reads once. If this process is killed meanwhile, what it has read is in the buffer or in the session file.
    fn receive(
        &mut self,
        key: Key,
        buffer: &mut ReadBuffer,
        budget: usize,
        now: Tick,
    ) -> Option<Result<Received, CloseReason>> {
        let connection = self.connections.get_mut(key)?;
        connection.unlist_read();
        let place = buffer.begin(connection.record(), connection.session().partial_command(), budget);
        let received = connection.receive(place, now);
        self.store.save(connection);
        buffer.end(received.as_ref().ok().map(|received| received.bytes));
        Some(received)
    }

    fn dequeue_all(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            if let Some(key) = self.pools.due(slot, now) {
                self.dequeue(key, now);
            }
        }
    }

    /// Makes all grants that one pool can make now.
    fn dequeue(&mut self, key: Key, now: Tick) {
        for _ in 0..MAX_GRANTS {
            self.update_degraded(key, now);
            let Some(pool) = self.pools.get_mut(key) else { return };
            let decision = pool.shaper.tree_mut().dequeue(now, pool.supply.level());
            if let Decision::Grant { leaf, bytes } = decision {
                let vm = pool.members.vm(leaf).expect("a leaf with backlog belongs to a VM");
                // The tree does not count the time in which the pool's bytes were withheld from this VM.
                let withheld = self.vms.get_mut(vm).and_then(|vm| vm.degraded_since.take());
                let waited = withheld.map_or(0, |since| now.since(since)).max(pool.shaper.tree().waited());
                pool.members.observe_wait(leaf, waited);
                self.counters.grants += 1;
                self.counters.granted += bytes;
                pool.records.mark_charged(pool.shaper.tree(), leaf);
                self.distribute(vm, bytes, now);
            } else {
                pool.next = next_grant(decision, pool.config.supply.spec().is_some(), now);
                return;
            }
        }
        if let Some(pool) = self.pools.get_mut(key) {
            pool.next = NextGrant::Now;
        }
    }

    /// Distributes a VM's grant over its connections, round robin.
    fn distribute(&mut self, vm: Key, bytes: u64, now: Tick) {
        let mut rest = bytes;
        while rest > 0 {
            let Self { vms, connections, .. } = self;
            let has_demand = |key| connections.get(key).is_some_and(Connection::has_demand);
            let Some(key) = vms.get_mut(vm).and_then(|vm| vm.connections.next(has_demand)) else {
                debug_assert!(false, "a backlog without a connection");
                return;
            };
            rest -= self.grant(key, rest, now);
        }
    }

    fn grant(&mut self, key: Key, offered: u64, now: Tick) -> u64 {
        let Some((connection, _, pool)) = self.resolve(key) else { return offered };
        let granted = connection.grant(offered);
        connection.reserve(&mut pool.supply);
        let (satisfied, full) = (!connection.has_demand(), connection.is_window_full());
        self.connections.schedule_write(key);
        if satisfied {
            self.enqueue_demand(key, now);
        }
        if full {
            self.save_levels(now);
            self.flush(key, now);
        }
        granted
    }

    /// Answers each 0x01 that has waited as long as it may. Its connection may have further demand.
    fn end_non_blocking_reads(&mut self, now: Tick) {
        while let Some(key) = self.connections.pop_non_blocking_read(now) {
            let Some((connection, vm, pool)) = self.resolve(key) else { continue };
            connection.end_non_blocking_read(pool.shaper.tree_mut(), vm.leaf, now);
            // The tree may have chosen its next instant for this demand.
            pool.next = NextGrant::Now;
            self.connections.schedule_write(key);
            self.enqueue_demand(key, now);
        }
    }

    /// Writes once to each connection that has something pending.
    fn write_all(&mut self, now: Tick) {
        let count = self.connections.to_write().len();
        for at in 0..count {
            if let Some(key) = self.connections.start_write(at) {
                self.flush(key, now);
                self.close_drained(key, now);
            }
        }
        self.connections.finish_writes(count);
    }
}

fn next_grant(decision: Decision, supply_wakes: bool, now: Tick) -> NextGrant {
    match decision {
        Decision::Grant { .. } => NextGrant::Now,
        Decision::WaitUntil(due) => NextGrant::At(due),
        Decision::WaitForSupply { .. } if supply_wakes => NextGrant::Supply,
        Decision::WaitForSupply { .. } => NextGrant::At(now.after(SUPPLY_RETRY)),
        Decision::Idle => NextGrant::Idle,
    }
}
