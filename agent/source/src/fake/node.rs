//! Feeders, engines and supplies, run by hand.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Fake;
use crate::block_queue::pipe;
use crate::engine::{Engine, Link, Member, Origin, Pool};
use crate::health::{HealthState, MinEntropy};
use crate::sampler::{Handle, Next, Sampler, Subscriber, WakeReason};
use crate::spec::{OnFailure, Output, PoolSpec, SourceKind, SourceSpec};
use crate::status::{PoolStatus, SourceStatus};
use crate::supply::Supply;
use crate::waker::EngineWaker;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// One source and its feeder.
struct FakeSource {
    fake: Fake,
    feeder: Sampler,
    handle: Arc<Handle>,
}

/// One pool, its engine and its supply.
struct FakePool {
    pool: Arc<Pool>,
    engine: Engine,
    /// Until somebody else takes it.
    supply: Option<Supply>,
    wakes: Arc<AtomicUsize>,
}

/// A node whose time passes when a test says so.
#[derive(Default)]
pub struct FakeNode {
    /// What time it is.
    pub now: u64,
    stations: Vec<FakeSource>,
    desks: Vec<FakePool>,
}

/// A device of full entropy in a tier.
pub fn device(name: &str, tier: u32) -> SourceSpec {
    SourceSpec {
        name: name.to_owned(),
        kind: SourceKind::Device(name.into()),
        tier,
        min_entropy: Some(MinEntropy::FULL_BYTE),
        bytes_per_second: Some(1_000_000),
        block_tests: false,
    }
}

/// A pool that holds and needs one source.
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
        let station = |fake: &Fake| FakeSource {
            fake: fake.clone(),
            feeder: Sampler::new(fake.opener(), 1).unwrap(),
            handle: Arc::new(Handle::new().unwrap()),
        };
        Self { stations: fakes.iter().map(station).collect(), ..Self::default() }
    }

    /// Adds a pool. Its first source that is not the kernel is the node's first, and so on.
    pub fn add(&mut self, spec: PoolSpec) -> usize {
        self.add_with(spec, crate::kernel::Kernel::bytes)
    }

    /// The same, where the kernel is this.
    pub fn add_with(&mut self, spec: PoolSpec, kernel: fn(&mut [u8]) -> io::Result<()>) -> usize {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let ring = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let stations: Vec<usize> = (0..self.stations.len()).collect();
        self.equip(spec, &stations, kernel, ring, wakes)
    }

    /// The supply of a pool with these of the node's sources, in the order in which it names them. It goes when
    /// the supply is dropped.
    ///
    /// # Panics
    /// If there is no memory for it, or the pool names more sources.
    pub fn supply_of(
        &mut self,
        spec: PoolSpec,
        sources: &[usize],
        ring: impl Fn() + Send + 'static,
    ) -> Supply {
        let desk = self.equip(spec, sources, crate::kernel::Kernel::bytes, Box::new(ring), Arc::default());
        self.desks[desk].supply.take().unwrap()
    }

    fn equip(
        &mut self,
        spec: PoolSpec,
        stations: &[usize],
        kernel: fn(&mut [u8]) -> io::Result<()>,
        ring: Box<dyn Fn() + Send>,
        wakes: Arc<AtomicUsize>,
    ) -> usize {
        let wake = Arc::new(EngineWaker::default());
        let mut stations = stations.iter();
        let members = spec.sources.iter().map(|source| {
            let origin = if source.kind == SourceKind::Kernel {
                Origin::Kernel
            } else {
                let handle = &self.stations[*stations.next().unwrap()].handle;
                let tap =
                    Subscriber::new(source, handle.bell().clone(), Arc::clone(&wake), self.now).unwrap();
                Origin::Noise(Link::new(tap, Arc::clone(handle)))
            };
            Member { spec: source.clone(), origin }
        });
        let members = members.collect();
        let (outlet, inlet) = pipe(Arc::clone(&wake), ring).unwrap();
        let pool = Arc::new(Pool::new(spec, members, Arc::clone(outlet.shared()), wake, self.now));
        let engine = Engine::new(Arc::clone(&pool), outlet, kernel);
        let supply = Some(Supply::of(inlet).unwrap());
        self.desks.push(FakePool { pool, engine, supply, wakes });
        self.desks.len() - 1
    }

    /// Lets all do what they can do at this instant; the instant at which there is more.
    ///
    /// # Panics
    /// If there is no end to it.
    pub fn settle(&mut self) -> Option<u64> {
        self.desks.retain(|desk| !desk.pool.pipe.is_stopped());
        for _ in 0..100_000 {
            let mut due = None;
            let mut busy = false;
            for desk in &mut self.desks {
                due = earlier(due, desk.engine.step(self.now));
            }
            for station in &mut self.stations {
                match station.feeder.step(&station.handle.taps(), WakeReason::Otherwise, self.now) {
                    Next::Now => busy = true,
                    Next::At(at) | Next::Ready(at) => due = earlier(due, Some(at)),
                    Next::Bell => {}
                }
            }
            if !busy {
                // What the feeders did last.
                let engines = self.desks.iter_mut().filter_map(|desk| desk.engine.step(self.now));
                return engines.chain(due).filter(|due| *due > self.now).min();
            }
        }
        panic!("the node does not come to rest");
    }

    /// Lets time pass until then.
    pub fn run_to(&mut self, end: u64) {
        while let Some(due) = self.settle().filter(|due| *due <= end) {
            self.now = due;
        }
        self.now = end;
        self.settle();
    }

    /// Lets so many nanoseconds pass.
    pub fn pass(&mut self, nanoseconds: u64) {
        self.run_to(self.now + nanoseconds);
    }

    /// Draws all there is, and settles, until nothing more comes or there are `most`.
    ///
    /// # Panics
    /// If there are bytes that no level told of.
    pub fn draw(&mut self, desk: usize, most: usize) -> Vec<u8> {
        let mut drawn = vec![];
        loop {
            self.settle();
            let supply = self.desks[desk].supply.as_mut().unwrap();
            let want = (most - drawn.len()).min(1000);
            let level = supply.level();
            match supply.with_bytes(want, |bytes| {
                drawn.extend(bytes);
                Ok(bytes.len())
            }) {
                Ok(count) if count > 0 => assert!(level >= 1, "bytes that no level told of"),
                _ => return drawn,
            }
        }
    }

    /// A pool's supply.
    ///
    /// # Panics
    /// If somebody took it.
    pub fn supply(&mut self, desk: usize) -> &mut Supply {
        self.desks[desk].supply.as_mut().unwrap()
    }

    /// How often a pool's supply had bytes for somebody who waited.
    pub fn wakes(&self, desk: usize) -> usize {
        self.desks[desk].wakes.load(Ordering::Relaxed)
    }

    /// Voids all of a pool's bytes and tests its sources: this host is not the one it was.
    pub fn renew(&self, desk: usize) {
        self.desks[desk].pool.renew(self.now);
    }

    /// How all pools stand that somebody draws from.
    pub fn statuses(&self) -> impl Iterator<Item = PoolStatus> {
        let open = self.desks.iter().filter(|desk| !desk.pool.pipe.is_stopped());
        open.map(|desk| PoolStatus::of(&desk.pool))
    }

    /// Tests a source anew, for every pool.
    pub fn retest_all(&self, name: &str) {
        let members = self.desks.iter().flat_map(|desk| &desk.pool.members);
        let named = members.filter(|member| member.spec.name == name);
        named.filter_map(Member::tap).for_each(|tap| tap.retest(self.now));
    }

    /// How a pool stands.
    pub fn status(&self, desk: usize) -> PoolStatus {
        PoolStatus::of(&self.desks[desk].pool)
    }

    /// How one of a pool's sources stands.
    pub fn source(&self, desk: usize, at: usize) -> SourceStatus {
        self.status(desk).sources.swap_remove(at)
    }

    /// The state of one of a pool's sources.
    pub fn state(&self, desk: usize, at: usize) -> HealthState {
        self.source(desk, at).state
    }

    /// Tests one of a pool's sources anew.
    ///
    /// # Panics
    /// If that is the kernel.
    pub fn retest(&self, desk: usize, at: usize) {
        self.desks[desk].pool.members[at].tap().unwrap().retest(self.now);
    }

    /// The source behind it all.
    pub fn fake(&self, at: usize) -> &Fake {
        &self.stations[at].fake
    }
}

fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
