//! One pool's share of one source.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::sample_queue::{QueueState, SampleQueue, SourceHealth};
use super::tie_watch::TieWatch;
use crate::block_queue::QueueControl;
use crate::health::{Cause, HealthState, ReadFailure};
use crate::health_records::SourceRecord;
use crate::memory::MapError;
use crate::noise::Provenance;
use crate::spec::{Output, SourceSpec};
use crate::waker::{SamplerWaker, lock};

/// The sampler puts samples in, the pool's engine takes them out, and any thread may ask for the state.
///
/// Pools may claim different min-entropies for one source, and each is tested by its own claim: a wrong claim harms
/// only the pool that makes it.
pub(crate) struct Subscriber {
    id: u64,
    /// Its failures and alarms, which outlive it.
    record: SourceRecord,
    /// Compares its samples with those of the pool's other sources.
    ties: Option<TieWatch>,
    queue: Mutex<SampleQueue>,
    sampler: SamplerWaker,
    /// Of the pool's bytes, to void them and to wake the engine.
    pool: Arc<QueueControl>,
}

impl Subscriber {
    pub(crate) fn new(
        spec: &SourceSpec,
        output: Output,
        sampler: SamplerWaker,
        pool: Arc<QueueControl>,
        record: SourceRecord,
        ties: Option<TieWatch>,
        now: u64,
    ) -> Result<Self, MapError> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let mut queue = SampleQueue::new(spec, output, now)?;
        queue.restore_alarms(record.intermittent_alarms());
        if let Some(failure) = record.failure() {
            queue.fail(Cause::recorded(&failure.reason), failure.message, now);
        }
        Ok(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            record,
            ties,
            queue: Mutex::new(queue),
            sampler,
            pool,
        })
    }

    /// Continues the tests of another pool's share, if that is of the same source and claim: the pool was edited, and this
    /// is its new share.
    pub(crate) fn continue_from(&self, other: &Self) -> Result<(), MapError> {
        let other = lock(&other.queue);
        let mut queue = lock(&self.queue);
        // A failure that the registry knows is not forgotten.
        if queue.state().health == HealthState::Failed { Ok(()) } else { queue.continue_from(&other) }
    }

    /// Moves the samples that wait in another pool's share here, once that pool has ended; see
    /// [`SampleQueue::take_over`]. The sampler tests samples for the older share first.
    pub(crate) fn take_over(&self, other: &Self, now: u64) -> bool {
        let mut other = lock(&other.queue);
        let mut queue = lock(&self.queue);
        let agrees = queue.take_over(&mut other, now);
        if queue.state().health == HealthState::Failed {
            self.pool.void();
        }
        agrees
    }

    /// Unique in this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn health(&self) -> SourceHealth {
        let health = lock(&self.queue).health();
        SourceHealth { alarms: self.record.alarms(), ..health }
    }

    /// Cheaper than [`health`](Self::health): engines ask at every poll.
    pub(crate) fn state(&self) -> QueueState {
        lock(&self.queue).state()
    }

    /// What the source is; `None` until it was opened, and while it cannot be.
    pub(crate) fn provenance(&self) -> Option<Arc<Provenance>> {
        lock(&self.queue).provenance().cloned()
    }

    /// Whether the pool would use more samples now. Samples for start-up tests are read in any case.
    pub(crate) fn set_wanted(&self, wanted: bool) {
        self.update(|queue| queue.set_wanted(wanted));
    }

    /// Calls `take` with all samples that wait; it returns how many of them it used up.
    pub(crate) fn take(&self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        self.update(|queue| queue.take(take))
    }

    /// Drops all samples and restarts the source with its start-up test. Its failure is forgotten when it passes.
    pub(crate) fn retest(&self, now: u64) {
        lock(&self.queue).retest(now);
        self.pool.wake_engine();
        self.sampler.wake();
    }

    /// Drops all samples and runs the start-up test, but forgets no failure: the host was cloned.
    pub(crate) fn restart(&self, now: u64) {
        lock(&self.queue).restart(now);
        self.pool.wake_engine();
        self.sampler.wake();
    }

    /// Adopts what another process recorded: it served the pool until now.
    pub(crate) fn adopt_record(&self, now: u64) {
        let failure = self.record.failure();
        let mut queue = lock(&self.queue);
        match failure {
            Some(failure) if !queue.has_failed() => {
                queue.fail(Cause::recorded(&failure.reason), failure.message, now);
                if queue.has_contributed() {
                    self.pool.void();
                }
            }
            // It passed a retest there.
            None if queue.has_failed() => queue.restart_failed(now),
            _ => queue.restore_alarms(self.record.intermittent_alarms()),
        }
        drop(queue);
        self.pool.wake_engine();
        self.sampler.wake();
    }

    /// Wakes the sampler if it can read now and could not before.
    fn update<T>(&self, update: impl FnOnce(&mut SampleQueue) -> T) -> T {
        let mut queue = lock(&self.queue);
        let before = queue.wants_samples();
        let result = update(&mut queue);
        let wake = !before && queue.wants_samples();
        drop(queue);
        if wake {
            self.sampler.wake();
        }
        result
    }
}

/// For the sampler only.
impl Subscriber {
    /// Whether samples read now would be queued here, or used by a start-up test.
    pub(super) fn wants_samples(&self) -> bool {
        lock(&self.queue).wants_samples()
    }

    pub(super) fn is_testing(&self) -> bool {
        lock(&self.queue).is_testing()
    }

    /// Tests samples, and queues them if they pass and this pool is their recipient.
    pub(super) fn observe(&self, samples: &[u8], is_recipient: bool, now: u64) {
        let tied = self.ties.as_ref().and_then(|ties| ties.observe(samples));
        let changed = {
            let mut queue = lock(&self.queue);
            let before = (queue.state(), queue.level());
            queue.observe(samples, is_recipient, now);
            if let Some(tied) = tied {
                queue.reveal(tied, samples.len(), now);
            }
            let has_failed = queue.state().failures != before.0.failures;
            if let Some(alarm) = queue.take_alarm() {
                self.record.raise(alarm);
            }
            if let Some((cause, message)) = has_failed.then(|| queue.failure()).flatten() {
                self.record.fail(cause, message);
            }
            if queue.ends_retest() {
                self.record.pass();
            }
            if has_failed && queue.has_contributed() {
                // Before the lock is released: the bytes that were made of its samples are not served.
                self.pool.void();
            }
            before != (queue.state(), queue.level())
        };
        if changed {
            self.pool.wake_engine();
        }
    }

    /// Stores what the samples revealed. Called after all subscribers have tested them, since the disk may be slow.
    pub(super) fn save_record(&self) {
        self.record.save();
        lock(&self.queue).retest_recorded();
    }

    /// The source could not be opened or read.
    pub(super) fn lost(&self, failure: ReadFailure, message: &str, now: u64) {
        lock(&self.queue).lost(failure, message, now);
        self.pool.wake_engine();
    }

    /// The source was opened, and this is what it is.
    pub(super) fn opened(&self, provenance: &Arc<Provenance>, now: u64) {
        let is_identified = self.record.identify(provenance.lasting_identity());
        let mut queue = lock(&self.queue);
        queue.opened(provenance, now);
        if is_identified && !queue.has_failed() && !queue.is_retesting() {
            // It may have failed, or raised alarms, by another name.
            match self.record.failure() {
                Some(failure) => queue.fail(Cause::recorded(&failure.reason), failure.message, now),
                None => queue.restore_alarms(self.record.intermittent_alarms()),
            }
        }
        drop(queue);
        self.pool.wake_engine();
    }

    pub(super) fn knows(&self, provenance: &Arc<Provenance>) -> bool {
        lock(&self.queue)
            .provenance()
            .is_some_and(|known| Arc::ptr_eq(known, provenance) || known == provenance)
    }
}
