//! The open samplers, the running pools and their threads.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use super::error::SupplyError;
use crate::Clock;
use crate::engine::Pool;
use crate::health_records::HealthRegistry;
use crate::noise::{OwnSockets, Position, opener};
use crate::sampler::{Sampler, SamplerHandle};
use crate::spec::SourceKind;

/// Owns neither sources nor pools: they live as long as the supplies that need them.
#[derive(Default)]
pub(super) struct Registry {
    samplers: HashMap<SourceKind, Weak<SamplerHandle>>,
    /// How far each file was read, so that a file opened again is not served again.
    positions: HashMap<SourceKind, Position>,
    /// No source may be one of them.
    pub(super) own_sockets: OwnSockets,
    pub(super) health: HealthRegistry,
    pools: Vec<Weak<Pool>>,
    threads: Vec<JoinHandle<()>>,
}

impl Registry {
    /// The sampler of a noise source, started if there is none; `None` for the kernel's generator.
    pub(super) fn sampler(
        &mut self,
        kind: &SourceKind,
        clock: Clock,
    ) -> Result<Option<Arc<SamplerHandle>>, SupplyError> {
        if let Some(sampler) = self.samplers.get(kind).and_then(Weak::upgrade) {
            return Ok(Some(sampler));
        }
        let position = match kind {
            SourceKind::File(_) => Arc::clone(self.positions.entry(kind.clone()).or_default()),
            _ => Position::default(),
        };
        let Some(opener) = opener(kind.clone(), position, self.own_sockets.clone()) else { return Ok(None) };
        let sampler = Sampler::new(opener, clock()).map_err(SupplyError::NoMemory)?;
        let handle = SamplerHandle::new().map_err(SupplyError::NoDescriptor)?;
        let thread = handle.spawn(sampler, clock).map_err(SupplyError::NoThread)?;
        self.add_thread(thread);
        let handle = Arc::new(handle);
        self.samplers.retain(|_, sampler| sampler.strong_count() > 0);
        self.samplers.insert(kind.clone(), Arc::downgrade(&handle));
        Ok(Some(handle))
    }

    pub(super) fn add_pool(&mut self, pool: &Arc<Pool>) {
        self.pools.retain(|pool| pool.strong_count() > 0);
        self.pools.push(Arc::downgrade(pool));
    }

    /// The pools that still have a supply.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.iter().filter_map(Weak::upgrade).filter(|pool| !pool.queue.is_stopped()).collect()
    }

    pub(super) fn add_thread(&mut self, thread: JoinHandle<()>) {
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread);
    }

    /// Ends all threads. Supplies that are left run dry.
    pub(super) fn stop(&mut self) {
        self.pools().iter().for_each(|pool| pool.queue.stop());
        for thread in self.threads.drain(..) {
            // A thread that panicked has reported it, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}
