//! A queue of keys by deadline.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::tick::Tick;

/// Keys by deadline. A key that is inserted twice is returned twice: callers avoid this, so that the queue is bounded.
#[derive(Debug)]
pub struct DeadlineQueue<K>(BinaryHeap<Reverse<(Tick, K)>>);

impl<K: Ord> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<K: Ord> DeadlineQueue<K> {
    pub fn insert(&mut self, deadline: Tick, key: K) {
        self.0.push(Reverse((deadline, key)));
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Tick> {
        self.0.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Removes the key with the earliest deadline, if that has passed.
    pub fn pop(&mut self, now: Tick) -> Option<K> {
        self.next().filter(|&deadline| deadline <= now)?;
        self.0.pop().map(|Reverse((_, key))| key)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_when_they_are_due_and_in_that_order() {
        let mut queue = DeadlineQueue::default();
        for deadline in [30, 10, 20] {
            queue.insert(Tick(deadline), 'a');
        }
        assert_eq!((queue.next(), queue.pop(Tick(9))), (Some(Tick(10)), None));
        queue.insert(Tick(15), 'b');
        assert_eq!([10, 15].map(|now| queue.pop(Tick(now))), [Some('a'), Some('b')]);
        queue.clear();
        assert_eq!(queue.next(), None);
    }
}
