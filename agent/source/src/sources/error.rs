//! Why a pool gets no supply.

use std::io;

use crate::condition::SelfTestFailed;
use crate::memory::MapError;

/// A pool could not be given a supply.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    #[error("pool {pool} promises more than Stretched and has no noise source with minEntropyPerByte")]
    NoNoiseSource { pool: String },
    #[error(
        "pool {pool} can never serve: {needed} sources must be healthy, and its output may rest on {counted} of them"
    )]
    TooFewSources { pool: String, needed: usize, counted: usize },
    #[error(transparent)]
    SelfTest(SelfTestFailed),
    #[error(transparent)]
    NoMemory(MapError),
    #[error("cannot start a thread for a source or a pool: {0}")]
    NoThread(io::Error),
    #[error("cannot create a descriptor for a source: {0}")]
    NoDescriptor(io::Error),
}

impl SupplyError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoNoiseSource { .. } => "NoNoiseSource",
            Self::TooFewSources { .. } => "TooFewSources",
            Self::SelfTest(_) => "SelfTestFailed",
            Self::NoMemory(_) => "NoMemory",
            Self::NoThread(_) => "NoThread",
            Self::NoDescriptor(_) => "NoDescriptor",
        }
    }
}
