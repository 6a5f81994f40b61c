//! One pool and its member sources: what its engine works on and other threads may look at.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::mode::OutputMode;
use super::selection::{Candidate, CandidateHealth, Serving};
use crate::block_queue::QueueControl;
use crate::health::HealthState;
use crate::memory::MapError;
use crate::noise::Provenance;
use crate::sampler::{SamplerHandle, SourceHealth, Subscriber};
use crate::spec::{Output, PoolSpec, SourceSpec};
use crate::waker::{EngineWaker, lock};

pub(crate) struct Pool {
    pub(crate) spec: PoolSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) queue: Arc<QueueControl>,
    pub(crate) engine: Arc<EngineWaker>,
    state: Mutex<PoolState>,
    bytes_out: AtomicU64,
    /// The engine is to forget all its secrets: this host was cloned.
    reset_requested: AtomicBool,
    succession: Mutex<Succession>,
}

/// What an edited pool leaves to the pool of the same name that replaces it.
#[derive(Default)]
struct Succession {
    successor: Weak<Pool>,
    has_ended: bool,
    mode: Option<OutputMode>,
}

#[derive(Clone, Debug)]
pub(crate) struct PoolState {
    pub(crate) serving: Serving,
    pub(crate) since: u64,
    /// How many of the sources that count are healthy.
    pub(crate) healthy: usize,
    /// For each member, whether the pool draws from it.
    pub(crate) active: Vec<bool>,
    /// The kernel's generator is not seeded.
    pub(crate) waits_for_kernel: bool,
}

impl Pool {
    pub(crate) fn new(
        spec: PoolSpec,
        members: Vec<Member>,
        queue: Arc<QueueControl>,
        engine: Arc<EngineWaker>,
        now: u64,
    ) -> Self {
        let active = vec![false; members.len()];
        let state =
            PoolState { serving: Serving::Starting, since: now, healthy: 0, active, waits_for_kernel: false };
        Self {
            spec,
            members,
            queue,
            engine,
            state: Mutex::new(state),
            bytes_out: AtomicU64::new(0),
            reset_requested: AtomicBool::new(false),
            succession: Mutex::default(),
        }
    }

    /// Sets the pool that may replace this one. It does so when this one ends.
    pub(super) fn set_successor(&self, successor: &Arc<Self>) {
        lock(&self.succession).successor = Arc::downgrade(successor);
    }

    /// Leaves to its successor how the promised bytes are made.
    pub(super) fn end(&self, mode: OutputMode) {
        let mut succession = lock(&self.succession);
        succession.has_ended = true;
        if let Some(successor) = succession.successor.upgrade() {
            succession.mode = Some(mode);
            successor.engine.wake();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.succession).has_ended
    }

    /// What it left when it ended, once.
    pub(super) fn take_mode(&self) -> Option<OutputMode> {
        lock(&self.succession).mode.take()
    }

    pub(crate) fn state(&self) -> PoolState {
        lock(&self.state).clone()
    }

    /// Bytes made for the pool's VMs.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Voids all bytes made so far, makes the engine forget its secrets, and restarts all sources with their tests.
    pub(crate) fn reset(&self, now: u64) {
        self.discard();
        self.members.iter().filter_map(Member::subscriber).for_each(|subscriber| subscriber.restart(now));
        self.engine.wake();
    }

    /// Voids all bytes made so far, and makes the engine forget its secrets.
    pub(crate) fn discard(&self) {
        self.reset_requested.store(true, Ordering::SeqCst);
        self.queue.void();
        self.engine.wake();
    }

    /// Whether a reset was requested since the last call.
    pub(super) fn take_reset_request(&self) -> bool {
        self.reset_requested.swap(false, Ordering::SeqCst)
    }

    pub(super) fn add_bytes_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// For each member, the earlier one that is the same source, by its name or by what it turned out to be. Such a member
    /// does not count: it gives what the earlier one gives.
    pub(crate) fn duplicates(&self) -> Vec<Option<&Member>> {
        let found: Vec<_> = self.members.iter().map(Member::provenance).collect();
        let is_same = |one: usize, other: usize| {
            self.members[one].spec.kind == self.members[other].spec.kind
                || found[one]
                    .as_ref()
                    .zip(found[other].as_ref())
                    .is_some_and(|(one, other)| one.is_same_source(other))
        };
        let first =
            |at: usize| (0..at).find(|earlier| is_same(*earlier, at)).map(|first| &self.members[first]);
        (0..self.members.len()).map(first).collect()
    }

    /// The members as candidates for selection, and what each lost.
    pub(super) fn candidates(&self, kernel_ready: bool) -> (Vec<Candidate>, Vec<Losses>) {
        let members = self.members.iter().zip(self.duplicates());
        members
            .map(|(member, duplicate)| member.candidate(self.spec.output, duplicate.is_some(), kernel_ready))
            .unzip()
    }

    /// Returns what was served before. `next.since` is not used if that did not change.
    pub(super) fn set_state(&self, next: PoolState) -> Serving {
        let mut state = lock(&self.state);
        let before = state.serving;
        let since = if before == next.serving { state.since } else { next.since };
        *state = PoolState { since, ..next };
        before
    }
}

/// A source as a member of one pool.
pub(crate) struct Member {
    pub(crate) spec: SourceSpec,
    pub(crate) origin: Origin,
}

/// Where a member's bytes come from on this node.
pub(crate) enum Origin {
    Kernel,
    Noise(Subscription),
    /// This node does not permit the source, for this reason.
    NotPermitted(String),
}

/// How often samples of a member were dropped, and how often it failed permanently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    drops: u64,
    pub(super) failures: u64,
}

/// A subscriber that is registered with its sampler, until it is dropped.
pub(crate) struct Subscription {
    subscriber: Arc<Subscriber>,
    sampler: Arc<SamplerHandle>,
}

impl Subscription {
    pub(crate) fn new(subscriber: Subscriber, sampler: Arc<SamplerHandle>) -> Self {
        let subscriber = Arc::new(subscriber);
        sampler.subscribe(Arc::clone(&subscriber));
        Self { subscriber, sampler }
    }

    pub(crate) fn health(&self) -> SourceHealth {
        self.subscriber.health()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.sampler.unsubscribe(&self.subscriber);
    }
}

impl Member {
    /// Continues the tests of the same source in the pool that this one's pool replaces.
    pub(crate) fn continue_from(&self, older: &Pool) -> Result<(), MapError> {
        self.with_older(older).map_or(Ok(()), |(subscriber, older)| subscriber.continue_from(older))
    }

    /// Takes over the samples that wait for the same source in the pool that has ended; false if it raised an alarm there
    /// that is new here.
    pub(super) fn take_over(&self, ended: &Pool, now: u64) -> bool {
        self.with_older(ended).is_none_or(|(subscriber, ended)| subscriber.take_over(ended, now))
    }

    /// The subscribers of the source in this pool and in an older one.
    pub(super) fn with_older<'a>(&'a self, pool: &'a Pool) -> Option<(&'a Subscriber, &'a Subscriber)> {
        let older = pool.members.iter().find(|older| older.spec.is_tested_like(&self.spec));
        self.subscriber().zip(older.and_then(Self::subscriber))
    }

    pub(crate) fn subscriber(&self) -> Option<&Subscriber> {
        match &self.origin {
            Origin::Noise(subscription) => Some(&subscription.subscriber),
            Origin::Kernel | Origin::NotPermitted(_) => None,
        }
    }

    /// Whether this output may depend on it, as far as is known by now.
    pub(crate) fn counts(&self, output: Output) -> bool {
        self.spec.counts(output) && (output == Output::Stretched || self.no_credit().is_none())
    }

    /// Why it earns no credit though the pool claims a min-entropy.
    pub(crate) fn no_credit(&self) -> Option<String> {
        self.spec.credited_min_entropy().filter(|_| !self.spec.credit_nested)?;
        self.provenance()?.no_credit()
    }

    pub(crate) fn provenance(&self) -> Option<Arc<Provenance>> {
        self.subscriber()?.provenance()
    }

    /// The member as a candidate for selection, and what it lost.
    fn candidate(&self, output: Output, is_duplicate: bool, kernel_ready: bool) -> (Candidate, Losses) {
        let (health, losses) = match &self.origin {
            _ if is_duplicate => (CandidateHealth::Unhealthy, Losses::default()),
            Origin::Kernel if kernel_ready => (CandidateHealth::Healthy, Losses::default()),
            Origin::Kernel => (CandidateHealth::New, Losses::default()),
            Origin::NotPermitted(_) => (CandidateHealth::Unhealthy, Losses::default()),
            Origin::Noise(subscription) => {
                let state = subscription.subscriber.state();
                let health = match state.health {
                    HealthState::Healthy => CandidateHealth::Healthy,
                    HealthState::Starting if state.is_new => CandidateHealth::New,
                    _ => CandidateHealth::Unhealthy,
                };
                (health, Losses { drops: state.drops, failures: state.failures })
            }
        };
        (Candidate { tier: self.spec.tier, counts: self.counts(output), health }, losses)
    }
}
