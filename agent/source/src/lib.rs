//! The node's noise sources, and the memory in which random bytes wait to be served.
//!
//! Start with [`Supply`], the bytes of one pool. For a pool of the kernel's bytes it is filled in place by
//! [`Kernel`]; for any other, [`Sources`] opens the noise sources that the node's [`Permissions`] allow, tests every
//! sample ([`health`], [`fips`]), conditions those that pass ([`condition`]) and hands the bytes over, on threads of its
//! own. Random bytes wait in a [`Buffer`]: locked memory that wipes what was taken.
//!
//! It refuses to serve a byte twice, to print one, to keep one after it was served, to write one to disk, and to block.
#![deny(unsafe_code)]

mod block_queue;
mod buffer;
pub mod condition;
mod engine;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod fips;
pub mod health;
mod health_records;
mod kernel;
mod memory;
mod noise;
mod permissions;
mod sampler;
mod sources;
mod spec;
mod status;
mod supply;
mod waker;

pub use buffer::{Buffer, CAPACITY};
pub use engine::Serving;
pub use health_records::{AlarmRecord, HealthChange, HealthRecords, HealthStore};
pub use kernel::Kernel;
pub use memory::MapError;
pub use permissions::{Permissions, SourceNotPermitted};
pub use sampler::SourceStats;
pub use sources::{Sources, SupplyError};
pub use spec::{OnFailure, Output, PoolSpec, SourceKind, SourceSpec};
pub use status::{PoolStatus, SourceStatus};
pub use supply::{CONTIGUOUS, DrawError, Supply};

/// Returns nanoseconds of a clock that never goes back. Only the owner of the agent's clock reads one.
pub type Clock = fn() -> u64;
