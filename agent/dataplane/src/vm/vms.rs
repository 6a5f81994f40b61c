//! All attached VMs, by key and by id.

use std::collections::HashMap;

use super::Vm;
use crate::slab::{Key, Slab};

#[derive(Debug)]
pub(crate) struct VmTable {
    slab: Slab<Vm>,
    by_id: HashMap<String, Key>,
}

impl VmTable {
    pub(crate) fn new() -> Self {
        Self { slab: Slab::new(), by_id: HashMap::new() }
    }

    /// Adds a VM whose id is [not taken](Self::by_id).
    pub(crate) fn insert(&mut self, vm: Vm) -> Key {
        let id = vm.id.clone();
        let key = self.slab.insert(vm);
        self.by_id.insert(id, key);
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Vm> {
        let vm = self.slab.remove(key)?;
        self.by_id.remove(&vm.id);
        Some(vm)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Vm> {
        self.slab.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Vm> {
        self.slab.get_mut(key)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<Key> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Vm)> {
        self.slab.iter()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }
}
