//! A binary min-heap with an index of its members, so that any of them can be moved or removed.

use alloc::vec::Vec;

/// The index of a slot that is in no heap.
const ABSENT: usize = usize::MAX;

/// The positions of all slots in their heap. It is separate from the heap so that many heaps can share it, if
/// no slot is in two of them.
#[derive(Debug, Default)]
pub(crate) struct HeapIndex(Vec<usize>);

impl HeapIndex {
    /// Makes room for the slots below `len`. Called when a node is created, never per request.
    pub(crate) fn grow(&mut self, len: usize) {
        self.0.resize(len.max(self.0.len()), ABSENT);
    }
}

/// A binary min-heap. Equal keys are ordered by slot, so that the order never depends on history.
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

    /// Inserts `slot`, or changes its key.
    pub(crate) fn set(&mut self, index: &mut HeapIndex, slot: usize, key: K) {
        let at = index.0[slot];
        if at == ABSENT {
            self.items.push((key, slot));
            self.sift_up(index, self.items.len().saturating_sub(1));
        } else if self.items[at].0 != key {
            self.items[at].0 = key;
            let at = self.sift_up(index, at);
            self.sift_down(index, at);
        }
    }

    /// Removes `slot` if it is present.
    pub(crate) fn remove(&mut self, index: &mut HeapIndex, slot: usize) {
        let at = index.0[slot];
        if at == ABSENT {
            return;
        }
        index.0[slot] = ABSENT;
        self.items.swap_remove(at);
        if at < self.items.len() {
            let at = self.sift_up(index, at);
            self.sift_down(index, at);
        }
    }

    /// Moves the item at `at` up to its position, and returns that.
    fn sift_up(&mut self, index: &mut HeapIndex, mut at: usize) -> usize {
        let item = self.items[at];
        while at > 0 {
            let above = at.saturating_sub(1) / 2;
            if self.items[above] <= item {
                break;
            }
            self.set_at(index, at, self.items[above]);
            at = above;
        }
        self.set_at(index, at, item);
        at
    }

    /// Moves the item at `at` down to its position.
    fn sift_down(&mut self, index: &mut HeapIndex, mut at: usize) {
        let item = self.items[at];
        while let Some(below) = self.lesser_child(at).filter(|&below| self.items[below] < item) {
            self.set_at(index, at, self.items[below]);
            at = below;
        }
        self.set_at(index, at, item);
    }

    fn lesser_child(&self, at: usize) -> Option<usize> {
        let left = at.wrapping_mul(2).wrapping_add(1); // at < len, and a Vec holds at most isize::MAX bytes
        let right = left.wrapping_add(1);
        let first = self.items.get(left)?;
        Some(if self.items.get(right).is_some_and(|second| second < first) { right } else { left })
    }

    fn set_at(&mut self, index: &mut HeapIndex, at: usize, item: (K, usize)) {
        self.items[at] = item;
        index.0[item.1] = at;
    }
}
