//! Values in slots that are reused, and keys that are not: for the nodes of a tree, and for the pools, VMs and
//! connections of the data plane. Slots are dense, so that side tables are vectors, and a loop over slots holds no
//! borrow. docs/adr/0021 says what a library would cost here.

use alloc::vec::Vec;

/// The slot of a value and its generation. A key whose value was removed finds nothing, even after the slot is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub slot: u32,
    pub generation: u32,
}

/// A node of a [`Tree`](crate::Tree).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) Key);

impl NodeId {
    /// The slot: dense and reused, for side tables.
    pub const fn index(self) -> usize {
        self.0.index()
    }
}

#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<SlabEntry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct SlabEntry<T> {
    generation: u32,
    value: Option<T>,
}

impl Key {
    /// The slot, as an index of side tables.
    pub const fn index(self) -> usize {
        self.slot as usize
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.entries.len().saturating_sub(self.free.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots there are, with and without a value.
    ///
    /// # Panics
    /// Panics beyond 2³² slots, which no memory holds.
    pub fn slots(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("fewer than 2³² slots")
    }

    /// The key of the value in a slot.
    pub fn key(&self, slot: u32) -> Option<Key> {
        let entry = self.entries.get(slot as usize).filter(|entry| entry.value.is_some())?;
        Some(Key { slot, generation: entry.generation })
    }

    pub fn insert(&mut self, value: T) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots();
            self.entries.push(SlabEntry { generation: 0, value: None });
            slot
        });
        let entry = &mut self.entries[slot as usize];
        entry.value = Some(value);
        Key { slot, generation: entry.generation }
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.index())?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index())?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// The value in a slot that is known to be in use, without a look at its generation.
    pub(crate) fn at(&self, slot: usize) -> &T {
        self.entries[slot].value.as_ref().expect("a slot in use")
    }

    pub(crate) fn at_mut(&mut self, slot: usize) -> &mut T {
        self.entries[slot].value.as_mut().expect("a slot in use")
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index()).filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1); // a key comes back after 2³² values of its slot
        self.free.push(key.slot);
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0..).zip(&self.entries).filter_map(|(slot, entry)| {
            entry.value.as_ref().map(|value| (Key { slot, generation: entry.generation }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_nothing_once_its_value_is_removed_though_the_slot_is_in_use_again() {
        let mut slab = Slab::new();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!(second.slot, first.slot);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "b"));
        assert_eq!((slab.len(), slab.iter().count(), slab.slots()), (1, 1, 1));
        assert_eq!((slab.key(0), slab.key(1)), (Some(second), None));
    }
}
