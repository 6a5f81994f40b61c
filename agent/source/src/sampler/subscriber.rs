//! Where a pool meets a source.

use std::sync::{Arc, Mutex};

use super::SamplerWaker;
use super::shared_samples::{QueueState, SampleQueue, SourceHealth};
use crate::health::ReadFailure;
use crate::memory::MapMemory;
use crate::spec::SourceSpec;
use crate::waker::{EngineWaker, lock};

/// One pool's share of one source. The feeder puts in, the pool's engine takes out, anybody may look.
///
/// Pools may claim different things of one source, and each is held to its own claim: so a wrong claim harms
/// the pool that makes it and no other.
pub(crate) struct Subscriber {
    inbox: Mutex<SampleQueue>,
    /// Wakes the source's feeder.
    bell: SamplerWaker,
    /// Wakes the pool's engine.
    engine: Arc<EngineWaker>,
}

impl Subscriber {
    pub(crate) fn new(
        spec: &SourceSpec,
        bell: SamplerWaker,
        engine: Arc<EngineWaker>,
        now: u64,
    ) -> Result<Self, MapMemory> {
        Ok(Self { inbox: Mutex::new(SampleQueue::new(spec, now)?), bell, engine })
    }

    pub(crate) fn health(&self) -> SourceHealth {
        lock(&self.inbox).health()
    }

    /// What an engine asks at every step: cheaper than all of [`health`](Self::health).
    pub(crate) fn standing(&self) -> QueueState {
        lock(&self.inbox).standing()
    }

    /// Whether the pool would use more samples now. Start-up tests are read for anyway.
    pub(crate) fn want(&self, wanted: bool) {
        self.change(|inbox| inbox.want(wanted));
    }

    /// Shows all samples that wait; `take` says how many of them it used up.
    pub(crate) fn take(&self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        self.change(|inbox| inbox.take(take))
    }

    /// Forgets why the source was off, and what it gave.
    pub(crate) fn retest(&self, now: u64) {
        lock(&self.inbox).retest(now);
        self.engine.wake();
        self.bell.ring();
    }

    /// Rings for the feeder if it can go on now and could not before.
    fn change<T>(&self, change: impl FnOnce(&mut SampleQueue) -> T) -> T {
        let mut inbox = lock(&self.inbox);
        let before = inbox.wants();
        let result = change(&mut inbox);
        let ring = !before && inbox.wants();
        drop(inbox);
        if ring {
            self.bell.ring();
        }
        result
    }
}

/// What only the feeder does.
impl Subscriber {
    /// Whether a sample read now would go here, or be tested for it.
    pub(super) fn wants(&self) -> bool {
        lock(&self.inbox).wants()
    }

    /// In a start-up test.
    pub(super) fn is_testing(&self) -> bool {
        lock(&self.inbox).is_testing()
    }

    /// Tests samples, and keeps them if they pass and are `for_us`.
    pub(super) fn observe(&self, samples: &[u8], for_us: bool, now: u64) {
        let news = {
            let mut inbox = lock(&self.inbox);
            let before = (inbox.standing(), inbox.level());
            inbox.observe(samples, for_us, now);
            before != (inbox.standing(), inbox.level())
        };
        if news {
            self.engine.wake();
        }
    }

    /// The source could not be opened or read: the message says how.
    pub(super) fn lost(&self, loss: ReadFailure, message: &str, now: u64) {
        lock(&self.inbox).lost(loss, message, now);
        self.engine.wake();
    }

    /// The source is open again.
    pub(super) fn opened(&self, now: u64) {
        lock(&self.inbox).opened(now);
        self.engine.wake();
    }
}
