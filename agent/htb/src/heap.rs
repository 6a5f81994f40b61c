//! A binary min-heap whose members know their place in it, so that any of them can be moved or taken out.

use alloc::vec::Vec;

/// Where a slot stands in the one heap that a table of places belongs to (or in one of several, if a slot is
/// never in two of them).
const ABSENT: usize = usize::MAX;

/// The places of all slots. Kept outside the heap, so that many heaps share one table.
#[derive(Debug, Default)]
pub(crate) struct HeapIndex(Vec<usize>);

impl HeapIndex {
    /// Makes room for the slots below `len`; called when a node is made, never per request.
    pub(crate) fn grow(&mut self, len: usize) {
        self.0.resize(len.max(self.0.len()), ABSENT);
    }
}

/// The heap. Equal keys go by slot, so that an order never depends on history.
#[derive(Debug)]
pub(crate) struct Heap<K> {
    items: Vec<(K, usize)>,
}

impl<K> Default for Heap<K> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<K: Ord + Copy> Heap<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<(K, usize)> {
        self.items.first().copied()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        self.items.iter().map(|&(_, slot)| slot)
    }

    /// Puts `slot` in, or gives it a new key.
    pub(crate) fn set(&mut self, places: &mut HeapIndex, slot: usize, key: K) {
        let at = places.0[slot];
        if at == ABSENT {
            self.items.push((key, slot));
            self.rise(places, self.items.len().saturating_sub(1));
        } else if self.items[at].0 != key {
            self.items[at].0 = key;
            let at = self.rise(places, at);
            self.sink(places, at);
        }
    }

    /// Takes `slot` out, if it is in.
    pub(crate) fn remove(&mut self, places: &mut HeapIndex, slot: usize) {
        let at = places.0[slot];
        if at == ABSENT {
            return;
        }
        places.0[slot] = ABSENT;
        self.items.swap_remove(at);
        if at < self.items.len() {
            let at = self.rise(places, at);
            self.sink(places, at);
        }
    }

    /// Moves the item at `at` up to where it belongs, and says where that is.
    fn rise(&mut self, places: &mut HeapIndex, mut at: usize) -> usize {
        let item = self.items[at];
        while at > 0 {
            let above = at.saturating_sub(1) / 2;
            if self.items[above] <= item {
                break;
            }
            self.put(places, at, self.items[above]);
            at = above;
        }
        self.put(places, at, item);
        at
    }

    /// Moves the item at `at` down to where it belongs.
    fn sink(&mut self, places: &mut HeapIndex, mut at: usize) {
        let item = self.items[at];
        while let Some(below) = self.lesser_child(at).filter(|&below| self.items[below] < item) {
            self.put(places, at, self.items[below]);
            at = below;
        }
        self.put(places, at, item);
    }

    fn lesser_child(&self, at: usize) -> Option<usize> {
        let left = at.wrapping_mul(2).wrapping_add(1); // at < len, and a Vec holds at most isize::MAX bytes
        let right = left.wrapping_add(1);
        let first = self.items.get(left)?;
        Some(if self.items.get(right).is_some_and(|second| second < first) { right } else { left })
    }

    fn put(&mut self, places: &mut HeapIndex, at: usize, item: (K, usize)) {
        self.items[at] = item;
        places.0[item.1] = at;
    }
}
