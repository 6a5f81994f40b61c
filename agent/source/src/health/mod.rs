//! Health tests of SP 800-90B 4.4, on every sample of a noise source before conditioning.
//!
//! [`Limits`] says when a test fails, [`HealthTests`] and [`StructureTests`] test a stream of samples, and [`Monitor`]
//! decides from the results and from read failures what the source may be used for. [`Ties`] compares the sources of a
//! pool. Instants are arguments, in nanoseconds.

mod binomial_tail;
mod cutoff;
mod limits;
mod monitor;
mod sp800_90b;
mod state;
mod structure;
mod ties;

pub use cutoff::{Alpha, Cutoffs, MinEntropy, SampleKind};
pub use limits::Limits;
pub use monitor::Monitor;
pub use sp800_90b::{Alarm, HealthTests, Severity, Test, TestOutcome};
pub use state::{Cause, Disposition, HealthState, ReadFailure};
pub use structure::{Structure, StructureTests};
pub(crate) use ties::Ties;
