//! Samplers, engines and supplies, polled by a test.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fake_noise::Fake;
use crate::block_queue::{Waker, block_queue};
use crate::engine::{Engine, Member, Origin, Pool, Subscription};
use crate::health::{HealthState, MinEntropy};
use crate::health_records::HealthRegistry;
use crate::sampler::{Sampler, SamplerHandle, Subscriber, TieWatch, Wait, WakeReason};
use crate::spec::{OnFailure, Output, PoolSpec, SourceKind, SourceSpec};
use crate::status::{PoolStatus, SourceStatus};
use crate::supply::Supply;
use crate::waker::EngineWaker;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// One source and its sampler.
struct FakeSource {
    fake: Fake,
    sampler: Sampler,
    handle: Arc<SamplerHandle>,
}

struct FakePool {
    pool: Arc<Pool>,
    engine: Engine,
    /// `None` once [`FakeNode::supply_of`] returned it.
    supply: Option<Supply>,
    wakes: Arc<AtomicUsize>,
}

/// A node in virtual time.
#[derive(Default)]
pub struct FakeNode {
    pub now: u64,
    sources: Vec<FakeSource>,
    health: HealthRegistry,
    pools: Vec<FakePool>,
}

/// A device of full entropy.
pub fn device(name: &str, tier: u32) -> SourceSpec {
    SourceSpec {
        name: name.to_owned(),
        kind: SourceKind::Device(name.into()),
        tier,
        min_entropy: Some(MinEntropy::FULL_BYTE),
        credit_nested: false,
        block_tests: false,
    }
}

/// A pool that holds on failure and needs one source.
pub fn pool(output: Output, sources: &[SourceSpec]) -> PoolSpec {
    PoolSpec {
        name: "default".into(),
        sources: sources.to_vec(),
        output,
        min_healthy: 1,
        on_failure: OnFailure::Hold,
    }
}

impl FakeNode {
    /// A node with these sources, in the order in which pools name them.
    ///
    /// # Panics
    /// If there is no memory for them.
    pub fn new(fakes: &[Fake]) -> Self {
        let source = |fake: &Fake| FakeSource {
            fake: fake.clone(),
            sampler: Sampler::new(fake.opener(), 1).unwrap(),
            handle: Arc::new(SamplerHandle::new().unwrap()),
        };
        Self { sources: fakes.iter().map(source).collect(), ..Self::default() }
    }

    /// Adds a pool; returns its index. Its first source that is not the kernel is the node's first, and so on.
    pub fn add(&mut self, spec: PoolSpec) -> usize {
        self.add_with(spec, crate::kernel::Kernel::bytes)
    }

    /// Replaces the last pool by an edited one of the same name, as the event loop does.
    ///
    /// # Panics
    /// If there is none.
    pub fn edit(&mut self, spec: PoolSpec) -> usize {
        let edited = self.pools.last().map(|edited| Arc::clone(&edited.pool));
        self.add_for(spec, crate::kernel::Kernel::bytes, edited);
        let new = self.pools.len() - 1;
        let mut old = self.pools[new - 1].supply.take().unwrap();
        self.supply(new).take_over(&mut old);
        drop(old);
        self.run_until_idle();
        self.pools.len() - 1
    }

    /// Adds a pool with this kernel.
    pub fn add_with(&mut self, spec: PoolSpec, kernel: fn(&mut [u8]) -> io::Result<()>) -> usize {
        self.add_for(spec, kernel, None)
    }

    fn add_for(
        &mut self,
        spec: PoolSpec,
        kernel: fn(&mut [u8]) -> io::Result<()>,
        edited: Option<Arc<Pool>>,
    ) -> usize {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let sources: Vec<usize> = (0..self.sources.len()).collect();
        self.add_pool(spec, &sources, kernel, edited, (wake, wakes))
    }

    /// Adds a pool with these of the node's sources, in the order in which it names them, and returns its supply. The
    /// pool is removed when the supply is dropped.
    ///
    /// # Panics
    /// If there is no memory for it, or the pool names more sources.
    pub fn supply_of(
        &mut self,
        spec: PoolSpec,
        sources: &[usize],
        wake: impl Fn() + Send + 'static,
    ) -> Supply {
        let edited = self.pools.iter().rfind(|pool| pool.is_open() && pool.pool.spec.name == spec.name);
        let edited = edited.map(|edited| Arc::clone(&edited.pool));
        let waker = (Box::new(wake) as Waker, Arc::default());
        let pool = self.add_pool(spec, sources, crate::kernel::Kernel::bytes, edited, waker);
        self.pools[pool].supply.take().unwrap()
    }

    fn add_pool(
        &mut self,
        spec: PoolSpec,
        sources: &[usize],
        kernel: fn(&mut [u8]) -> io::Result<()>,
        edited: Option<Arc<Pool>>,
        (wake, wakes): (Waker, Arc<AtomicUsize>),
    ) -> usize {
        let engine_waker = Arc::new(EngineWaker::default());
        let (producer, consumer) = block_queue(Arc::clone(&engine_waker), wake).unwrap();
        let continues = edited.as_ref().is_some_and(|edited| spec.continues(&edited.spec));
        let mut sources = sources.iter();
        let ties = TieWatch::of(&spec).unwrap();
        let members = spec.sources.iter().zip(ties).map(|(source, ties)| {
            let origin = if source.kind == SourceKind::Kernel {
                Origin::Kernel
            } else {
                let handle = &self.sources[*sources.next().unwrap()].handle;
                let control = Arc::clone(producer.control());
                let subscriber = Subscriber::new(
                    source,
                    spec.output,
                    handle.waker().clone(),
                    control,
                    self.health.of(&spec.name, source),
                    ties,
                    self.now,
                )
                .unwrap();
                Origin::Noise(Subscription::new(subscriber, Arc::clone(handle)))
            };
            Member { spec: source.clone(), origin }
        });
        let members: Vec<_> = members.collect();
        for (member, edited) in members.iter().zip(edited.iter().cycle()) {
            member.continue_from(edited).unwrap();
        }
        let pool = Arc::new(Pool::new(spec, members, Arc::clone(producer.control()), engine_waker, self.now));
        let engine = Engine::new(Arc::clone(&pool), producer, kernel).succeeding(edited);
        let supply = Some(Supply::of(consumer).unwrap().continuing(continues));
        self.pools.push(FakePool { pool, engine, supply, wakes });
        self.pools.len() - 1
    }

    /// Polls all samplers and engines until they wait; returns the next instant at which one is due.
    ///
    /// # Panics
    /// If they never wait.
    pub fn run_until_idle(&mut self) -> Option<u64> {
        let now = self.now;
        self.pools.extract_if(.., |pool| !pool.is_open()).for_each(|ended| ended.engine.end(now));
        // A source may return its samples three at a time, and a pool holds back many.
        for _ in 0..1_000_000 {
            let mut due = None;
            let mut busy = false;
            for pool in &mut self.pools {
                due = earlier(due, pool.engine.poll(self.now));
            }
            for source in &mut self.sources {
                match source.sampler.poll(&source.handle.subscribers(), WakeReason::Other, self.now) {
                    Wait::None => busy = true,
                    Wait::Until(at) | Wait::Ready(at) | Wait::Idle(at) => due = earlier(due, Some(at)),
                    Wait::Wake => {}
                }
            }
            if !busy {
                // For what the samplers did last.
                let engines = self.pools.iter_mut().filter_map(|pool| pool.engine.poll(self.now));
                return engines.chain(due).filter(|due| *due > self.now).min();
            }
        }
        panic!("the node never waits");
    }

    /// Advances time to `end`.
    pub fn run_to(&mut self, end: u64) {
        while let Some(due) = self.run_until_idle().filter(|due| *due <= end) {
            self.now = due;
        }
        self.now = end;
        self.run_until_idle();
    }

    /// Advances time.
    pub fn advance(&mut self, nanoseconds: u64) {
        self.run_to(self.now + nanoseconds);
    }

    /// Draws bytes until there are `most` or the node has no more.
    ///
    /// # Panics
    /// If there are bytes that the level does not include.
    pub fn draw(&mut self, pool: usize, most: usize) -> Vec<u8> {
        let mut drawn = vec![];
        loop {
            self.run_until_idle();
            let supply = self.pools[pool].supply.as_mut().unwrap();
            let want = (most - drawn.len()).min(1000);
            let level = supply.level();
            match supply.with_bytes(want, |bytes| {
                drawn.extend(bytes);
                Ok(bytes.len())
            }) {
                Ok(count) if count > 0 => assert!(level >= 1, "bytes that the level does not include"),
                _ => return drawn,
            }
        }
    }

    /// # Panics
    /// If [`supply_of`](Self::supply_of) returned it.
    pub fn supply(&mut self, pool: usize) -> &mut Supply {
        self.pools[pool].supply.as_mut().unwrap()
    }

    /// How often a pool's supply woke the event loop.
    pub fn wakes(&self, pool: usize) -> usize {
        self.pools[pool].wakes.load(Ordering::Relaxed)
    }

    /// Voids all of a pool's bytes and tests its sources, as for a cloned host.
    pub fn reset(&self, pool: usize) {
        self.pools[pool].pool.reset(self.now);
    }

    /// The status of all pools that have a supply.
    pub fn statuses(&self) -> impl Iterator<Item = PoolStatus> {
        let open = self.pools.iter().filter(|pool| pool.is_open());
        open.map(|pool| PoolStatus::of(&pool.pool))
    }

    /// Restarts a source with its start-up test, for every pool.
    pub fn retest_all(&self, name: &str) {
        let members = self.pools.iter().flat_map(|pool| &pool.pool.members);
        let named = members.filter(|member| member.spec.name == name);
        named.filter_map(Member::subscriber).for_each(|subscriber| subscriber.retest(self.now));
    }

    pub fn status(&self, pool: usize) -> PoolStatus {
        PoolStatus::of(&self.pools[pool].pool)
    }

    pub fn source(&self, pool: usize, at: usize) -> SourceStatus {
        self.status(pool).sources.swap_remove(at)
    }

    pub fn state(&self, pool: usize, at: usize) -> HealthState {
        self.source(pool, at).state
    }

    /// Restarts one of a pool's sources with its start-up test.
    ///
    /// # Panics
    /// If that is the kernel.
    pub fn retest(&self, pool: usize, at: usize) {
        self.pools[pool].pool.members[at].subscriber().unwrap().retest(self.now);
    }

    pub fn fake(&self, at: usize) -> &Fake {
        &self.sources[at].fake
    }
}

impl FakePool {
    fn is_open(&self) -> bool {
        !self.pool.queue.is_stopped()
    }
}

fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
