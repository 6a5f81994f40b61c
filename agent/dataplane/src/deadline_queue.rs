//! What is to be looked at, by when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use htb::Tick;

use crate::slab::Key;

/// Keys by due time. Whoever lists one sees to it that it is not listed twice: that is the bound.
#[derive(Debug, Default)]
pub(crate) struct DeadlineQueue(BinaryHeap<Reverse<(Tick, Key)>>);

impl DeadlineQueue {
    pub(crate) fn list(&mut self, due: Tick, key: Key) {
        self.0.push(Reverse((due, key)));
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the first, if it is due.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<Key> {
        self.next().filter(|&due| due <= now)?;
        self.0.pop().map(|Reverse((_, key))| key)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_when_they_are_due_and_in_that_order() {
        let key = |slot| Key { slot, generation: 0 };
        let mut due = DeadlineQueue::default();
        for at in [30, 10, 20] {
            due.list(Tick(at), key(0));
        }
        assert_eq!((due.next(), due.pop(Tick(9))), (Some(Tick(10)), None));
        due.list(Tick(15), key(1));
        assert_eq!([10, 15].map(|now| due.pop(Tick(now))), [Some(key(0)), Some(key(1))]);
        due.clear();
        assert_eq!(due.next(), None);
    }
}
