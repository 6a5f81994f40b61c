//! All pools, those that are closed included.

use htb::Tick;

use super::ServedPool;
use crate::slab::{Key, Slab};

#[derive(Debug)]
pub(crate) struct Pools {
    slab: Slab<ServedPool>,
}

impl Pools {
    pub(crate) fn new() -> Self {
        Self { slab: Slab::new() }
    }

    pub(crate) fn insert(&mut self, pool: ServedPool) -> Key {
        self.slab.insert(pool)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<ServedPool> {
        self.slab.remove(key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&ServedPool> {
        self.slab.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut ServedPool> {
        self.slab.get_mut(key)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Key> {
        self.iter().find(|(_, pool)| pool.config.name == name).map(|(key, _)| key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &ServedPool)> {
        self.slab.iter()
    }

    /// Pools that take VMs.
    pub(crate) fn open(&self) -> impl Iterator<Item = &ServedPool> {
        self.iter().map(|(_, pool)| pool).filter(|pool| !pool.closed)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }

    /// Bound of the slots, for loops that change what they loop over.
    pub(crate) fn slots(&self) -> u32 {
        self.slab.slots()
    }

    pub(crate) fn slot_mut(&mut self, slot: u32) -> Option<(Key, &mut ServedPool)> {
        let key = self.slab.key(slot)?;
        Some((key, self.slab.get_mut(key)?))
    }

    /// The pool in this slot, if its tree can decide something now.
    pub(crate) fn due(&self, slot: u32, now: Tick) -> Option<Key> {
        let key = self.slab.key(slot)?;
        self.slab.get(key).is_some_and(|pool| pool.is_due(now)).then_some(key)
    }
}
