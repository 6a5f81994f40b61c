//! Supplies that run dry, come back, give less than was promised, and are replaced.

use htb::Tick;
use source::Supply;

use crate::pool::{NextGrant, Pool};
use crate::slab::Key;
use crate::state::DataPlane;

impl DataPlane {
    /// A supply may have rung: who waited for one is looked at again, the oldest grants first.
    pub(crate) fn supplied(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            let Some(key) = self.pools.key(slot) else { continue };
            if let Some(pool) = self.pools.get_mut(key).filter(|pool| pool.next == NextGrant::Supply) {
                pool.next = NextGrant::Now;
            }
            self.grade(key, now);
        }
        for key in std::mem::take(&mut self.work.dry) {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.listed.dry = false;
                self.list_to_write(key);
            }
        }
    }

    /// Wipes all bytes that wait to be served.
    pub(crate) fn forget(&mut self, now: Tick) {
        for slot in 0..self.pools.slots() {
            if let Some(key) = self.pools.key(slot)
                && let Some(pool) = self.pools.get_mut(key)
            {
                pool.supply.clear();
                pool.next = NextGrant::Now;
            }
        }
        self.supplied(now);
    }

    /// Puts a connection on the list of those that wait for their supply. What is not for it, others may have.
    pub(crate) fn list_dry(&mut self, key: Key) {
        let Some((connection, vm, pool)) = self.parts(key) else { return };
        if pool.is_shut(vm.leaf) {
            connection.release(&mut pool.supply);
        }
        if !std::mem::replace(&mut connection.listed.dry, true) {
            self.work.dry.push(key);
        }
    }

    /// Looks whether a pool's bytes are still what they were, before any is granted.
    pub(crate) fn grade(&mut self, key: Key, now: Tick) {
        if self.pools.get_mut(key).is_some_and(|pool| pool.regrade(now)) {
            self.ask_anew(key, now);
        }
    }

    /// Takes out of the tree what may not have the pool's bytes, and brings into it what may.
    pub(crate) fn ask_anew(&mut self, pool: Key, now: Tick) {
        let of_pool = self.vms.iter().filter(|(_, vm)| vm.pool == pool);
        let keys: Vec<Key> = of_pool.flat_map(|(_, vm)| vm.connections.iter()).collect();
        for key in keys {
            let Some((connection, vm, pool)) = self.parts(key) else { continue };
            if pool.is_shut(vm.leaf) {
                connection.withdraw(pool.shaper.tree_mut(), vm.leaf, now);
            }
            self.ask(key, now);
            // A 0x01 may just have got its answer.
            self.list_to_write(key);
        }
    }

    /// Gives a pool another supply; the old one is dropped, and its bytes with it.
    pub(crate) fn resupply(&mut self, key: Key, supply: Supply, now: Tick) {
        let Self { pools, vms, connections, .. } = self;
        let Some(pool) = pools.get_mut(key) else { return };
        pool.supply = supply;
        let of_pool = vms.iter().filter(|(_, vm)| vm.pool == key);
        for (_, vm) in of_pool {
            for key in vm.connections.iter() {
                if let Some(connection) = connections.get_mut(key) {
                    connection.resupply(&mut pool.supply);
                }
            }
        }
        pool.next = NextGrant::Now;
        self.supplied(now);
    }
}

impl Pool {
    /// True if its bytes have just become less than it promises, or what it promises again.
    fn regrade(&mut self, now: Tick) -> bool {
        let (was, is) = (self.degraded.is_some(), self.supply.is_degraded());
        if was != is {
            self.degraded = is.then_some(now);
        }
        was != is
    }
}
