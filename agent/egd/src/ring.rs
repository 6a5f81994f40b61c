//! A queue of at most `N` small items, stored inline.

/// First in, first out, without a heap allocation.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T, const N: usize> {
    items: [T; N],
    head: u8,
    len: u8,
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    const FITS: () = assert!(N > 0 && N < 128, "head + len must fit in a byte");

    pub(crate) fn new() -> Self {
        let () = Self::FITS;
        Self { items: [T::default(); N], head: 0, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() == N
    }

    fn slot(&self, position: usize) -> usize {
        (usize::from(self.head) + position) % N
    }

    /// Returns the item if the queue is full.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        let slot = self.slot(self.len());
        self.items[slot] = item;
        self.len += 1;
        Ok(())
    }

    /// The item at `position` behind the oldest.
    pub(crate) fn get(&self, position: usize) -> Option<&T> {
        (position < self.len()).then(|| &self.items[self.slot(position)])
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        (self.len > 0).then(|| &mut self.items[usize::from(self.head)])
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        let last = self.len().checked_sub(1)?;
        let slot = self.slot(last);
        Some(&mut self.items[slot])
    }

    /// Removes the oldest item. An empty queue restarts at its first slot, so that the usual queue of one item stays in
    /// one cache line.
    pub(crate) fn pop(&mut self) {
        debug_assert!(self.len > 0, "the queue is not empty");
        let next = self.slot(1);
        self.len = self.len.saturating_sub(1);
        self.head = if self.len == 0 { 0 } else { u8::try_from(next).expect("a slot is below N") };
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|position| self.get(position))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn items_keep_their_order_also_around_the_end() {
        let mut ring = Ring::<u32, 3>::new();
        for first in 0..10 {
            ring.push(first).unwrap();
            ring.push(first + 100).unwrap();
            assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [first, first + 100]);
            ring.pop();
            assert_eq!(ring.front(), Some(&(first + 100)));
            ring.push(first + 200).unwrap();
            ring.push(first + 300).unwrap();
            assert_eq!(ring.push(7), Err(7));
            assert_eq!(ring.back_mut(), Some(&mut (first + 300)));
            ring.pop();
            ring.pop();
            ring.pop();
            assert_eq!(ring.len(), 0);
            assert_eq!(ring.front(), None);
        }
    }
}
