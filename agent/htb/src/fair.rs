//! Fair queues, ordered by virtual time (docs/adr/0002).

use crate::heap::{Heap, HeapIndex};
use crate::units::{MAX_GRANT, Tick};

/// Virtual time per byte of a member: 2⁶⁴ divided by its share. Rounding down favours a share s by at most
/// s·2⁻⁶⁴, which is 5·10⁻⁵ at 10 GB/s. Virtual time lasts for 2⁶⁴ bytes at the smallest share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InverseShare(u128);

impl InverseShare {
    /// A share of 0 counts as 1.
    pub(crate) fn of(share: u64) -> Self {
        Self((1_u128 << 64).checked_div(u128::from(share)).unwrap_or(1 << 64))
    }

    fn time(self, bytes: u64) -> u128 {
        self.0.saturating_mul(u128::from(bytes))
    }
}

/// What determines the position of a member in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The virtual end of its next request, if that is as long as the last one. A member with a large share is
    /// not delayed by many members with small shares, which its rate requires.
    Finish,
    /// The virtual start of its next request, so that a member that enters the queue is next. A guest that
    /// sends its next request after the reply to the last one enters the queue each time; if the end counted,
    /// one with a small weight would be overtaken each time.
    Start,
}

/// The position of a node in one kind of queue of its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    order: Order,
    inverse_share: InverseShare,
    /// The virtual start of the next request.
    start: u128,
    /// The virtual end of the last request. `start` never precedes it.
    finish: u128,
    /// The length of the last request; the maximum before the first one.
    last: u64,
    /// A member that left unserved and enters again before this instant starts where it started.
    kept_until: Tick,
}

impl Tag {
    /// For the queue of children with assured bytes.
    pub(crate) fn assured(rate: u64) -> Self {
        Self::new(Order::Finish, rate)
    }

    /// For a queue of children that borrow.
    pub(crate) fn borrowed(weight: u64) -> Self {
        Self::new(Order::Start, weight)
    }

    fn new(order: Order, share: u64) -> Self {
        Self {
            order,
            inverse_share: InverseShare::of(share),
            start: 0,
            finish: 0,
            last: MAX_GRANT,
            kept_until: Tick(0),
        }
    }

    pub(crate) fn set_share(&mut self, share: u64) {
        self.inverse_share = InverseShare::of(share);
    }

    /// Resets the history, for another queue.
    pub(crate) fn reset(&mut self) {
        *self = Self { start: 0, finish: 0, last: MAX_GRANT, kept_until: Tick(0), ..*self };
    }

    /// Keeps its place until this instant, should it leave the queue now; `Tick(0)`: no longer.
    pub(crate) fn keep_until(&mut self, until: Tick) {
        self.kept_until = until;
    }

    fn key(&self) -> u128 {
        match self.order {
            Order::Finish => self.start.saturating_add(self.inverse_share.time(self.last)),
            Order::Start => self.start,
        }
    }
}

/// Members by virtual time.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    heap: Heap<u128>,
    /// Virtual time: the latest start among the members served.
    time: u128,
}

impl FairQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.heap.peek().map(|(_, slot)| slot)
    }

    /// Inserts a member. It starts now and not in the past, since unused shares are lost, unless its place was kept.
    pub(crate) fn insert(&mut self, index: &mut HeapIndex, slot: usize, tag: &mut Tag, now: Tick) {
        if now >= tag.kept_until {
            tag.start = tag.finish.max(self.time);
        }
        tag.kept_until = Tick(0);
        self.heap.set(index, slot, tag.key());
    }

    /// Updates the position of a member that was served or whose share has changed.
    pub(crate) fn update(&mut self, index: &mut HeapIndex, slot: usize, tag: &Tag) {
        self.heap.set(index, slot, tag.key());
    }

    pub(crate) fn remove(&mut self, index: &mut HeapIndex, slot: usize) {
        self.heap.remove(index, slot);
    }

    /// Accounts for a grant. The caller then updates or removes the member.
    pub(crate) fn serve(&mut self, tag: &mut Tag, bytes: u64) {
        self.time = self.time.max(tag.start);
        tag.last = bytes;
        tag.finish = tag.start.saturating_add(tag.inverse_share.time(bytes));
        tag.start = tag.finish;
    }
}
