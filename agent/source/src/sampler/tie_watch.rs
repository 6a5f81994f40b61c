//! A source among those of its pool whose samples are compared.

use std::sync::{Arc, Mutex};

use crate::health::{Structure, Ties};
use crate::memory::MapError;
use crate::spec::{PoolSpec, SourceKind, SourceSpec};
use crate::waker::lock;

/// The share that one source has in the comparison of its pool's sources.
pub(crate) struct TieWatch {
    ties: Arc<Mutex<Ties>>,
    source: usize,
}

impl TieWatch {
    /// For each source of the pool that is compared with others: those that count, each once. One source that is named
    /// twice counts once, and gives its two names different samples.
    pub(crate) fn of(pool: &PoolSpec) -> Result<Vec<Option<Self>>, MapError> {
        let is_compared = |(at, source): (usize, &SourceSpec)| {
            source.kind != SourceKind::Kernel
                && source.counts(pool.output)
                && !pool.sources[..at].iter().any(|earlier| earlier.kind == source.kind)
        };
        let compared: Vec<bool> = pool.sources.iter().enumerate().map(is_compared).collect();
        let claims: Vec<_> = pool
            .sources
            .iter()
            .zip(&compared)
            .filter(|(_, compared)| **compared)
            .map(|(source, _)| source.tested_min_entropy())
            .collect();
        if claims.len() < 2 {
            return Ok(compared.iter().map(|_| None).collect());
        }
        let ties = Arc::new(Mutex::new(Ties::new(&claims)?));
        let mut next = 0;
        let watches = compared.into_iter().map(|compared| {
            compared.then(|| {
                next += 1;
                Self { ties: Arc::clone(&ties), source: next - 1 }
            })
        });
        Ok(watches.collect())
    }

    /// Compares the samples; what they reveal.
    pub(super) fn observe(&self, samples: &[u8]) -> Option<Structure> {
        let count = lock(&self.ties).observe(self.source, samples)?;
        Some(Structure::Copy { count })
    }
}
