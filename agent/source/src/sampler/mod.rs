//! One thread for each open noise source: it reads, tests every sample, and hands those that pass to the pools.
//!
//! [`Sampler`] takes the time as an argument, and `thread` waits for it. A [`Subscriber`] is one pool's share of one
//! source.

mod core;
mod fips_gate;
mod poll_schedule;
mod release;
mod sample_queue;
mod stats;
mod subscriber;
mod thread;
mod tie_watch;

pub(crate) use self::core::Sampler;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::core::{Wait, WakeReason};
pub(crate) use sample_queue::SourceHealth;
pub use stats::SourceStats;
pub(crate) use subscriber::Subscriber;
pub(crate) use thread::SamplerHandle;
pub(crate) use tie_watch::TieWatch;
