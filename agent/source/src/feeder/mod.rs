//! One thread for each open noise source: it reads, tests every sample, and hands what passed to one of the pools
//! that draw from the source.
//!
//! [`Feeder`] decides and is told the time; [`thread`] waits for it. A [`Tap`] is where a pool meets a source.

mod bell;
mod core;
mod inbox;
mod line;
mod sentence;
mod stage;
mod tally;
mod tap;
mod thread;

pub(crate) use self::core::Feeder;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::core::{Next, Woke};
use bell::Bell;
pub(crate) use inbox::Health;
pub use tally::Tally;
pub(crate) use tap::Tap;
pub(crate) use thread::Handle;
