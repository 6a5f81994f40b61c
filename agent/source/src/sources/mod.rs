//! All noise sources of one node, and the pools that draw from them.

mod error;
mod registry;

use std::fmt;
use std::sync::{Arc, Mutex};

pub use self::error::SupplyError;
use self::registry::Registry;
use crate::Clock;
use crate::block_queue::{QueueControl, Waker, block_queue};
use crate::condition::{Raw, self_test};
use crate::engine::{Engine, KernelBytes, Member, Origin, Pool, Subscription};
use crate::kernel::Kernel;
use crate::permissions::Permissions;
use crate::sampler::Subscriber;
use crate::spec::{Output, PoolSpec, SourceSpec};
use crate::status::PoolStatus;
use crate::supply::Supply;
use crate::waker::{EngineWaker, lock};

/// The noise sources of one node. Each is opened once, however many pools draw from it, and only while one does.
///
/// Every noise source has a thread, and so has every pool that draws from one; the event loop never waits for
/// either. All threads end when this value is dropped.
pub struct Sources {
    permissions: Permissions,
    clock: Clock,
    kernel: KernelBytes,
    registry: Mutex<Registry>,
}

impl Sources {
    /// Opens no source yet. `clock` returns nanoseconds of a clock that never goes back.
    pub fn new(permissions: Permissions, clock: Clock) -> Self {
        let kernel: KernelBytes = Kernel::bytes;
        Self { permissions, clock, kernel, registry: Mutex::default() }
    }

    /// A supply of the pool's bytes; the pool draws from its sources while the supply lives. `waker` is called, from
    /// another thread, when bytes arrive for a supply that had too few.
    ///
    /// A pool of the same name whose supply this one replaces leaves its sources' health and samples, and the caller hands
    /// over its bytes: see [`Supply::take_over`]. So an edit does not delay a slow pool.
    ///
    /// A source that this node may not open counts as unhealthy: see [`PoolStatus`].
    pub fn supply(&self, spec: &PoolSpec, waker: impl Fn() + Send + 'static) -> Result<Supply, SupplyError> {
        if spec.is_kernel_only() {
            return Supply::kernel().map_err(SupplyError::NoMemory);
        }
        check(spec)?;
        self_test().map_err(SupplyError::SelfTest)?;
        self.start(spec, Box::new(waker))
    }

    /// The status of all pools that draw from a noise source, by name.
    pub fn status(&self) -> Vec<PoolStatus> {
        let mut all: Vec<_> = lock(&self.registry).pools().iter().map(|pool| PoolStatus::of(pool)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Restarts all sources of this name, `NAME` or `POOL/NAME`, with their start-up test, also those that failed
    /// permanently. Returns how many that were.
    pub fn retest(&self, name: &str) -> usize {
        let (pool_name, name) = name.split_once('/').map_or((None, name), |(pool, name)| (Some(pool), name));
        let pools = lock(&self.registry).pools();
        let named = pools.iter().filter(|pool| pool_name.is_none_or(|name| pool.spec.name == name));
        let subscribers = named
            .flat_map(|pool| &pool.members)
            .filter(|member| member.spec.name == name)
            .filter_map(Member::subscriber);
        subscribers.map(|subscriber| subscriber.retest((self.clock)())).count()
    }

    /// For a host that was cloned or restored from a snapshot: voids all bytes made so far, forgets the state of
    /// every generator, and runs all start-up tests. For supplies of the kernel's bytes [`Supply::clear`] does it.
    pub fn restart_tests(&self) {
        let now = (self.clock)();
        lock(&self.registry).pools().iter().for_each(|pool| pool.reset(now));
    }

    fn start(&self, spec: &PoolSpec, waker: Waker) -> Result<Supply, SupplyError> {
        let now = (self.clock)();
        let engine_waker = Arc::new(EngineWaker::default());
        let mut registry = lock(&self.registry);
        let (producer, consumer) =
            block_queue(Arc::clone(&engine_waker), waker).map_err(SupplyError::NoMemory)?;
        let supply = Supply::of(consumer).map_err(SupplyError::NoMemory)?;
        let control = Arc::clone(producer.control());
        let edited = registry.pools().into_iter().rfind(|pool| pool.spec.name == spec.name);
        let supply = supply.continuing(edited.as_ref().is_some_and(|edited| spec.continues(&edited.spec)));
        let member = |source| self.member(&mut registry, source, spec.output, &control, now);
        let members = spec.sources.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        for (member, edited) in members.iter().zip(edited.iter().cycle()) {
            member.continue_from(edited).map_err(SupplyError::NoMemory)?;
        }
        let pool = Arc::new(Pool::new(spec.clone(), members, control, engine_waker, now));
        let engine = Engine::new(Arc::clone(&pool), producer, self.kernel).succeeding(edited);
        registry.add_pool(&pool);
        let thread = crate::engine::spawn(pool, engine, self.clock).map_err(SupplyError::NoThread)?;
        registry.add_thread(thread);
        Ok(supply)
    }

    fn member(
        &self,
        registry: &mut Registry,
        source: &SourceSpec,
        output: Output,
        pool: &Arc<QueueControl>,
        now: u64,
    ) -> Result<Member, SupplyError> {
        let origin = match self.permissions.permits(&source.kind) {
            Err(error) => Origin::NotPermitted(error.to_string()),
            Ok(()) => match registry.sampler(&source.kind, self.clock)? {
                None => Origin::Kernel,
                Some(sampler) => {
                    let subscriber = Subscriber::new(
                        source,
                        output,
                        sampler.waker().clone(),
                        Arc::clone(pool),
                        &registry.failures,
                        now,
                    );
                    Origin::Noise(Subscription::new(subscriber.map_err(SupplyError::NoMemory)?, sampler))
                }
            },
        };
        Ok(Member { spec: source.clone(), origin })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("permissions", &self.permissions).finish_non_exhaustive()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        lock(&self.registry).stop();
    }
}

/// Refuses a pool that could never serve.
fn check(spec: &PoolSpec) -> Result<(), SupplyError> {
    let credited = || spec.sources.iter().filter_map(SourceSpec::credited_min_entropy);
    if spec.output != Output::Stretched && credited().next().is_none() {
        return Err(SupplyError::NoNoiseSource { pool: spec.name.clone() });
    }
    if spec.output == Output::Raw {
        let refused = credited().find_map(|h| Raw::new(h).err());
        refused.map_or(Ok(()), |source| Err(SupplyError::Raw { pool: spec.name.clone(), source }))?;
    }
    Ok(())
}
