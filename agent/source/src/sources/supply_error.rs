//! Why a pool gets no supply.

use std::io;

use crate::condition::RawRefused;
use crate::memory::MapMemory;

/// A pool could not be given a supply.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// Its output needs assessed noise, and it has no source of any.
    #[error("pool {pool} promises more than Stretched and has no noise source with minEntropyPerByte")]
    NoNoiseSource {
        /// The pool.
        pool: String,
    },
    /// A source is not good enough to be served as it is.
    #[error("pool {pool}: {source}")]
    Raw {
        /// The pool.
        pool: String,
        /// What it lacks.
        source: RawRefused,
    },
    /// There is no memory for its bytes.
    #[error(transparent)]
    NoMemory(MapMemory),
    /// There is no thread to make them.
    #[error("no thread for a source or a pool: {0}")]
    NoThread(io::Error),
    /// There is no descriptor by which to wake a source's thread.
    #[error("no descriptor for a source: {0}")]
    NoDescriptor(io::Error),
}

impl SupplyError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoNoiseSource { .. } => "NoNoiseSource",
            Self::Raw { .. } => "RawRefused",
            Self::NoMemory(_) => "NoMemory",
            Self::NoThread(_) => "NoThread",
            Self::NoDescriptor(_) => "NoDescriptor",
        }
    }
}
