//! All noise sources of one node, and the pools that draw from them.

mod registry;
mod supply_error;

use std::fmt;
use std::sync::{Arc, Mutex};

pub use supply_error::SupplyError;

use self::registry::Registry;
use crate::Clock;
use crate::block_queue::{Waker, pipe};
use crate::condition::Raw;
use crate::engine::{Engine, KernelBytes, Link, Member, Origin, Pool};
use crate::kernel::Kernel;
use crate::permissions::Permissions;
use crate::sampler::Subscriber;
use crate::spec::{Output, PoolSpec, SourceSpec};
use crate::status::PoolStatus;
use crate::supply::Supply;
use crate::waker::{EngineWaker, lock};

/// The noise sources of one node. Each is opened once, however many pools draw from it, and while one does.
///
/// Every noise source has a thread, and so has every pool that draws from one; the event loop never waits for
/// either. All end with this value.
pub struct Sources {
    allowed: Permissions,
    clock: Clock,
    kernel: KernelBytes,
    registry: Mutex<Registry>,
}

impl Sources {
    /// No source is open yet. `clock` gives nanoseconds and never goes back.
    pub fn new(allowed: Permissions, clock: Clock) -> Self {
        let kernel: KernelBytes = Kernel::bytes;
        Self { allowed, clock, kernel, registry: Mutex::default() }
    }

    /// A supply of the bytes of this pool, drawn from for as long as it lives. `waker` is called, from another
    /// thread, when bytes came for a supply that had too few.
    ///
    /// A source that this node may not open is one that is not healthy: see [`PoolStatus`].
    pub fn supply(&self, spec: &PoolSpec, waker: impl Fn() + Send + 'static) -> Result<Supply, SupplyError> {
        if spec.is_kernel_only() {
            return Supply::kernel().map_err(SupplyError::NoMemory);
        }
        check(spec)?;
        self.start(spec, Box::new(waker))
    }

    /// How all pools stand that draw from a noise source, by name.
    pub fn status(&self) -> Vec<PoolStatus> {
        let mut all: Vec<_> = lock(&self.registry).pools().iter().map(|pool| PoolStatus::of(pool)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Tests all sources of this name anew, `NAME` or `POOL/NAME`: also those that failed for good. How many that
    /// were.
    pub fn retest(&self, name: &str) -> usize {
        let (pool_name, name) = name.split_once('/').map_or((None, name), |(pool, name)| (Some(pool), name));
        let pools = lock(&self.registry).pools();
        let named = pools.iter().filter(|pool| pool_name.is_none_or(|name| pool.spec.name == name));
        let taps = named
            .flat_map(|pool| &pool.members)
            .filter(|member| member.spec.name == name)
            .filter_map(Member::tap);
        taps.map(|tap| tap.retest((self.clock)())).count()
    }

    /// This host was cloned or brought back from a snapshot: voids all bytes that were made, forgets the state of
    /// every generator, and runs all start-up tests. [`Supply::forget`] does it for supplies of the kernel's bytes.
    pub fn restart_tests(&self) {
        let now = (self.clock)();
        lock(&self.registry).pools().iter().for_each(|pool| pool.renew(now));
    }

    fn start(&self, spec: &PoolSpec, waker: Waker) -> Result<Supply, SupplyError> {
        let now = (self.clock)();
        let engine = Arc::new(EngineWaker::default());
        let mut registry = lock(&self.registry);
        let member = |source| self.member(&mut registry, source, &engine, now);
        let members = spec.sources.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let (outlet, inlet) = pipe(Arc::clone(&engine), waker).map_err(SupplyError::NoMemory)?;
        let supply = Supply::of(inlet).map_err(SupplyError::NoMemory)?;
        let pool = Arc::new(Pool::new(spec.clone(), members, Arc::clone(outlet.shared()), engine, now));
        let engine = Engine::new(Arc::clone(&pool), outlet, self.kernel);
        registry.keep_pool(&pool);
        let thread = crate::engine::start(pool, engine, self.clock).map_err(SupplyError::NoThread)?;
        registry.keep_thread(thread);
        Ok(supply)
    }

    fn member(
        &self,
        registry: &mut Registry,
        source: &SourceSpec,
        engine: &Arc<EngineWaker>,
        now: u64,
    ) -> Result<Member, SupplyError> {
        let origin = match self.allowed.permits(&source.kind) {
            Err(refusal) => Origin::NotPermitted(refusal.to_string()),
            Ok(()) => match registry.feeder(&source.kind, self.clock)? {
                None => Origin::Kernel,
                Some(feeder) => {
                    let tap = Subscriber::new(source, feeder.bell().clone(), Arc::clone(engine), now);
                    Origin::Noise(Link::new(tap.map_err(SupplyError::NoMemory)?, feeder))
                }
            },
        };
        Ok(Member { spec: source.clone(), origin })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        lock(&self.registry).stop();
    }
}

/// Refuses what could never serve.
fn check(spec: &PoolSpec) -> Result<(), SupplyError> {
    let credited = || spec.sources.iter().filter_map(SourceSpec::credited);
    if spec.output != Output::Stretched && credited().next().is_none() {
        return Err(SupplyError::NoNoiseSource { pool: spec.name.clone() });
    }
    if spec.output == Output::Raw {
        let refused = credited().find_map(|worth| Raw::new(worth).err());
        refused.map_or(Ok(()), |source| Err(SupplyError::Raw { pool: spec.name.clone(), source }))?;
    }
    Ok(())
}
