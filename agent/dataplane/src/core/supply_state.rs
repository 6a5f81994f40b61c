//! Supplies that run dry, refill, are degraded, or are replaced.

use htb::Tick;
use source::Supply;

use super::state::DataPlane;
use crate::pool::{NextGrant, ServedPool};
use crate::slab::Key;

impl DataPlane {
    /// A supply may have been refilled: everything that waits for one is retried.
    pub(super) fn retry_supplies(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            let Some((key, pool)) = self.pools.slot_mut(slot) else { continue };
            if pool.next == NextGrant::Supply {
                pool.next = NextGrant::Now;
            }
            self.update_degraded(key, now);
        }
        self.connections.retry_dry();
    }

    /// Wipes all bytes that are buffered for serving.
    pub(crate) fn discard_buffered(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            if let Some((_, pool)) = self.pools.slot_mut(slot) {
                pool.supply.clear();
                pool.next = NextGrant::Now;
            }
        }
        self.retry_supplies(now);
    }

    /// A connection's write waits for its supply. Bytes that are withheld from it are left to others.
    pub(super) fn wait_for_supply(&mut self, key: Key) {
        let Some((connection, vm, pool)) = self.resolve(key) else { return };
        if pool.is_withheld(vm.leaf) {
            connection.release(&mut pool.supply);
        }
        self.connections.schedule_dry(key);
    }

    /// Checks, before anything is granted, whether a pool's supply has become degraded or has recovered.
    pub(super) fn update_degraded(&mut self, key: Key, now: Tick) {
        if self.pools.get_mut(key).is_some_and(|pool| pool.update_degraded(now)) {
            self.requeue_demand(key, now);
        }
    }

    /// Withdraws from a pool's tree all demand from which its bytes are withheld, and enqueues all other demand.
    pub(super) fn requeue_demand(&mut self, pool: Key, now: Tick) {
        let of_pool = self.vms.iter().filter(|(_, vm)| vm.pool == pool);
        let keys: Vec<Key> = of_pool.flat_map(|(_, vm)| vm.connections.iter()).collect();
        for key in keys {
            let Some((connection, vm, pool)) = self.resolve(key) else { continue };
            if pool.is_withheld(vm.leaf) {
                connection.withdraw_demand(pool.shaper.tree_mut(), vm.leaf, now);
            }
            self.enqueue_demand(key, now);
            // A 0x01 may just have been answered.
            self.connections.schedule_write(key);
        }
    }

    /// Replaces a pool's supply; the old one is dropped with its bytes.
    pub(super) fn replace_supply(&mut self, key: Key, mut supply: Supply, now: Tick) {
        let Self { pools, vms, connections, .. } = self;
        let Some(pool) = pools.get_mut(key) else { return };
        supply.take_over(&mut pool.supply);
        pool.supply = supply;
        let of_pool = vms.iter().filter(|(_, vm)| vm.pool == key);
        for (_, vm) in of_pool {
            for key in vm.connections.iter() {
                if let Some(connection) = connections.get_mut(key) {
                    connection.reserve_again(&mut pool.supply);
                }
            }
        }
        pool.next = NextGrant::Now;
        self.retry_supplies(now);
    }
}

impl ServedPool {
    /// True if its supply has become degraded, or has recovered.
    fn update_degraded(&mut self, now: Tick) -> bool {
        let (was, is) = (self.degraded.is_some(), self.supply.is_degraded());
        if was != is {
            self.degraded = is.then_some(now);
        }
        was != is
    }
}
