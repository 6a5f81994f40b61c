//! One thread for each open noise source: it reads, tests every sample, and hands what passed to one of the pools
//! that draw from the source.
//!
//! [`Feeder`] decides and is told the time; [`thread`] waits for it. A [`Tap`] is where a pool meets a source.

mod core;
mod describe;
mod fips_gate;
mod poll_schedule;
mod shared_samples;
mod stats;
mod subscriber;
mod thread;
mod waker;

pub(crate) use self::core::Sampler;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::core::{Next, WakeReason};
pub(crate) use shared_samples::SourceHealth;
pub use stats::SourceStats;
pub(crate) use subscriber::Subscriber;
pub(crate) use thread::Handle;
use waker::SamplerWaker;
