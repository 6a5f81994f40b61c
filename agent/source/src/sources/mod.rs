//! All noise sources of one node, and the pools that draw from them.

mod error;
mod registry;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use self::error::SupplyError;
use self::registry::Registry;
use crate::Clock;
use crate::block_queue::{QueueControl, Waker, block_queue};
use crate::condition::self_test;
use crate::engine::{Engine, KernelBytes, Member, Origin, Pool, Subscription};
use crate::health::HealthState;
use crate::health_records::HealthStore;
use crate::kernel::Kernel;
use crate::noise::OwnSockets;
use crate::permissions::Permissions;
use crate::sampler::{Subscriber, TieWatch};
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

    /// Refuses upstreams that are sockets of this daemon, whose VMs have theirs in this directory.
    #[must_use]
    pub fn with_own_sockets(self, directory: PathBuf) -> Self {
        lock(&self.registry).own_sockets = OwnSockets::in_directory(directory);
        self
    }

    /// Restores the health of all sources from `store`, and stores it there from now on: a source that failed stays off
    /// until it passes a retest, whatever happens to its pools and to the process. To be called before the first supply.
    /// `wall` returns seconds of Unix time.
    pub fn store_health(&self, store: Box<dyn HealthStore>, wall: fn() -> u64) {
        lock(&self.registry).health.store_in(store, wall);
    }

    /// Adopts what the process that served until now has stored since.
    pub fn reload_health(&self) {
        let now = (self.clock)();
        let registry = lock(&self.registry);
        if registry.health.reload() {
            let pools = registry.pools();
            let members = pools.iter().flat_map(|pool| &pool.members);
            members.filter_map(Member::subscriber).for_each(|subscriber| subscriber.adopt_record(now));
        }
    }

    /// A supply of the pool's bytes; the pool draws from its sources while the supply lives. `waker` is called, from
    /// another thread, when bytes arrive for a supply that had too few.
    ///
    /// A pool of the same name whose supply this one replaces leaves its sources' health and samples, and the caller hands
    /// over its bytes: see [`Supply::take_over`]. So an edit does not delay a slow pool.
    ///
    /// A source that this node may not open counts as unhealthy: see [`PoolStatus`].
    pub fn supply(&self, spec: &PoolSpec, waker: impl Fn() + Send + 'static) -> Result<Supply, SupplyError> {
        Self::check(spec)?;
        if spec.is_kernel_only() {
            return Supply::kernel().map_err(SupplyError::NoMemory);
        }
        self_test().map_err(SupplyError::SelfTest)?;
        self.start(spec, Box::new(waker))
    }

    /// Refuses a pool that could never serve. `plan` accepts none that is refused here, and tells its author why.
    pub fn check(spec: &PoolSpec) -> Result<(), SupplyError> {
        let pool = spec.name.clone();
        let counted = spec.sources.iter().filter(|source| source.counts(spec.output)).count();
        let needed = spec.min_healthy.max(1);
        match counted {
            0 if spec.output != Output::Stretched => Err(SupplyError::NoNoiseSource { pool }),
            _ if counted < needed => Err(SupplyError::TooFewSources { pool, needed, counted }),
            _ => Ok(()),
        }
    }

    /// Whether the kernel's generator is seeded. Costs a system call.
    pub fn is_kernel_seeded(&self) -> bool {
        (self.kernel)(&mut [0; 1]).is_ok()
    }

    /// The status of all pools that draw from a noise source, by name.
    pub fn status(&self) -> Vec<PoolStatus> {
        let mut all: Vec<_> = lock(&self.registry).pools().iter().map(|pool| PoolStatus::of(pool)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Restarts all sources of this name, `NAME` or `POOL/NAME`, with their start-up test, also those that failed
    /// permanently: they are forgiven when they pass it. A source that has also failed in other pools is restarted there
    /// too. Returns how many are named so.
    pub fn retest(&self, name: &str) -> usize {
        let (pool_name, name) = name.split_once('/').map_or((None, name), |(pool, name)| (Some(pool), name));
        let pools = lock(&self.registry).pools();
        let members =
            || pools.iter().flat_map(|pool| pool.members.iter().map(|member| (&*pool.spec.name, member)));
        let is_named = |(pool, member): &(&str, &Member)| {
            pool_name.is_none_or(|name| *pool == name) && member.spec.name == name
        };
        let kinds: Vec<_> = members().filter(is_named).map(|(_, member)| &member.spec.kind).collect();
        let mut count = 0;
        for (pool, member) in members().filter(|(_, member)| kinds.contains(&&member.spec.kind)) {
            let Some(subscriber) = member.subscriber() else { continue };
            let named = is_named(&(pool, member));
            if named || subscriber.state().health == HealthState::Failed {
                subscriber.retest((self.clock)());
            }
            count += usize::from(named);
        }
        count
    }

    /// For a host that was cloned or restored from a snapshot: voids all bytes made so far, forgets the state of
    /// every generator, and runs all start-up tests. For supplies of the kernel's bytes [`Supply::clear`] does it.
    pub fn restart_tests(&self) {
        let now = (self.clock)();
        lock(&self.registry).pools().iter().for_each(|pool| pool.reset(now));
    }

    /// For a host that may have been cloned: voids all bytes made so far and forgets the state of every generator, but
    /// leaves the sources as they are.
    pub fn discard_made(&self) {
        lock(&self.registry).pools().iter().for_each(|pool| pool.discard());
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
        let ties = TieWatch::of(spec).map_err(SupplyError::NoMemory)?;
        let member = |(source, ties)| self.member(&mut registry, source, ties, spec, &control, now);
        let members = spec.sources.iter().zip(ties).map(member).collect::<Result<Vec<_>, _>>()?;
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
        ties: Option<TieWatch>,
        pool: &PoolSpec,
        control: &Arc<QueueControl>,
        now: u64,
    ) -> Result<Member, SupplyError> {
        let origin = match self.permissions.permits(&source.kind) {
            Err(error) => Origin::NotPermitted(error.to_string()),
            Ok(()) => match registry.sampler(&source.kind, self.clock)? {
                None => Origin::Kernel,
                Some(sampler) => {
                    let subscriber = Subscriber::new(
                        source,
                        pool.output,
                        sampler.waker().clone(),
                        Arc::clone(control),
                        registry.health.of(&pool.name, source),
                        ties,
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
