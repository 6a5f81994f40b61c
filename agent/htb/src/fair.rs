//! The order in which equals are served: queues of virtual time tags (docs/adr/0002).

use crate::heap::{Heap, HeapIndex};
use crate::units::MAX_GRANT;

/// Virtual time per byte of a member: 2⁶⁴ divided by its share. Rounding it down favours a share s by at most
/// s·2⁻⁶⁴, which is 5·10⁻⁵ at 10 GB/s. Virtual time lasts for 2⁶⁴ bytes at the smallest share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InverseShare(u128);

impl InverseShare {
    /// The pace of a share; 0 counts as 1.
    pub(crate) fn of(share: u64) -> Self {
        Self((1_u128 << 64).checked_div(u128::from(share)).unwrap_or(1 << 64))
    }

    fn time(self, bytes: u64) -> u128 {
        self.0.saturating_mul(u128::from(bytes))
    }
}

/// What of a member's next request counts for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Its end, were it as long as the last: whoever has a large share is not held up by a crowd with small ones,
    /// which its rate needs.
    Finish,
    /// Its beginning: whoever comes anew is next. A guest asks, gets and asks again, and so always comes anew;
    /// going by the end, one of little weight would be overtaken each time.
    Start,
}

/// Where a node stands in one kind of queue of its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    order: Order,
    pace: InverseShare,
    /// When, in virtual time, its next request starts.
    start: u128,
    /// When its last one ended; `start` never falls behind it.
    finish: u128,
    /// Bytes of its last request; a whole one before the first.
    last: u64,
}

impl Tag {
    /// For the queue of those who are assured bytes.
    pub(crate) fn assured(rate: u64) -> Self {
        Self::new(Order::Finish, rate)
    }

    /// For a queue of those who borrow.
    pub(crate) fn borrowed(weight: u64) -> Self {
        Self::new(Order::Start, weight)
    }

    fn new(order: Order, share: u64) -> Self {
        Self { order, pace: InverseShare::of(share), start: 0, finish: 0, last: MAX_GRANT }
    }

    pub(crate) fn set_share(&mut self, share: u64) {
        self.pace = InverseShare::of(share);
    }

    /// Forgets the past, for another queue.
    pub(crate) fn reset(&mut self) {
        *self = Self { start: 0, finish: 0, last: MAX_GRANT, ..*self };
    }

    fn key(&self) -> u128 {
        match self.order {
            Order::Finish => self.start.saturating_add(self.pace.time(self.last)),
            Order::Start => self.start,
        }
    }
}

/// Members by virtual time.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    heap: Heap<u128>,
    /// Virtual time: the latest start among those served.
    time: u128,
}

impl FairQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.heap.peek().map(|(_, slot)| slot)
    }

    /// Lets a member in. A newcomer starts now, not in the past: what it did not use is gone.
    pub(crate) fn enter(&mut self, places: &mut HeapIndex, slot: usize, tag: &mut Tag) {
        tag.start = tag.finish.max(self.time);
        self.heap.set(places, slot, tag.key());
    }

    /// Sorts a member anew that was served or has another share.
    pub(crate) fn update(&mut self, places: &mut HeapIndex, slot: usize, tag: &Tag) {
        self.heap.set(places, slot, tag.key());
    }

    pub(crate) fn leave(&mut self, places: &mut HeapIndex, slot: usize) {
        self.heap.remove(places, slot);
    }

    /// Accounts for a grant; the caller sorts the member anew or takes it out.
    pub(crate) fn serve(&mut self, tag: &mut Tag, bytes: u64) {
        self.time = self.time.max(tag.start);
        tag.last = bytes;
        tag.finish = tag.start.saturating_add(tag.pace.time(bytes));
        tag.start = tag.finish;
    }
}
