//! Who draws from what.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use super::SupplyError;
use crate::Clock;
use crate::engine::Pool;
use crate::noise::{Position, opener};
use crate::sampler::{Handle, Sampler};
use crate::spec::SourceKind;

/// What is open and what runs. Owns neither sources nor pools: those belong to the supplies that need them.
#[derive(Default)]
pub(super) struct Registry {
    feeders: HashMap<SourceKind, Weak<Handle>>,
    /// How far each file was read, so that one opened again is not served again.
    positions: HashMap<SourceKind, Position>,
    pools: Vec<Weak<Pool>>,
    threads: Vec<JoinHandle<()>>,
}

impl Registry {
    /// The feeder of a noise source, started if nobody drew from it; nothing for the kernel's generator.
    pub(super) fn feeder(
        &mut self,
        kind: &SourceKind,
        clock: Clock,
    ) -> Result<Option<Arc<Handle>>, SupplyError> {
        if let Some(feeder) = self.feeders.get(kind).and_then(Weak::upgrade) {
            return Ok(Some(feeder));
        }
        let position = match kind {
            SourceKind::File(_) => Arc::clone(self.positions.entry(kind.clone()).or_default()),
            _ => Position::default(),
        };
        let Some(open) = opener(kind.clone(), position) else { return Ok(None) };
        let feeder = Sampler::new(open, clock()).map_err(SupplyError::NoMemory)?;
        let handle = Handle::new().map_err(SupplyError::NoDescriptor)?;
        let thread = handle.start(feeder, clock).map_err(SupplyError::NoThread)?;
        self.keep_thread(thread);
        let handle = Arc::new(handle);
        self.feeders.retain(|_, feeder| feeder.strong_count() > 0);
        self.feeders.insert(kind.clone(), Arc::downgrade(&handle));
        Ok(Some(handle))
    }

    pub(super) fn keep_pool(&mut self, pool: &Arc<Pool>) {
        self.pools.retain(|pool| pool.strong_count() > 0);
        self.pools.push(Arc::downgrade(pool));
    }

    /// Those that somebody draws from.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.iter().filter_map(Weak::upgrade).filter(|pool| !pool.pipe.is_stopped()).collect()
    }

    /// Threads that have ended need no more waiting for.
    pub(super) fn keep_thread(&mut self, thread: JoinHandle<()>) {
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread);
    }

    /// Ends all threads. Supplies that are left run dry.
    pub(super) fn stop(&mut self) {
        self.pools().iter().for_each(|pool| pool.pipe.stop());
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}
