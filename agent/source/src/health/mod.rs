//! Health tests of SP 800-90B 4.4, on every sample of a noise source before conditioning.
//!
//! [`Limits`] says when a test fails, [`HealthTests`] runs both tests over a stream of samples, and [`Monitor`]
//! turns their verdicts, and the source's silences, into what the source may still be used for.
//! Nothing here reads a clock or a device: instants are nanoseconds of a clock that never goes back.

mod alarm_rate;
mod binomial_tail;
mod cutoff;
mod intermittent_failures;
mod min_entropy;
mod monitor;
mod proportion;
mod repetition;
mod state;
mod stream;

pub use cutoff::{Alpha, Cutoffs, Limits, SampleKind};
pub use min_entropy::MinEntropy;
pub use monitor::Monitor;
pub use state::{Cause, HealthState, ReadFailure, Transition};
pub use stream::{Alarm, HealthTests, Severity, Test, TestOutcome};
