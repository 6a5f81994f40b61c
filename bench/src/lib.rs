//! Benchmarks of the data path against the raw floor, in the same run, with the same load.
//!
//! Requests per second alone say little on a shared machine: what counts is the ratio of interleaved pairs and the
//! server's CPU per request. Start with the program `entropool-bench` (`make bench`).
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people; 52 bits are plenty")]

mod load;
mod pairs;
mod parts;
mod peer;

pub use load::{Load, Outcome};
pub use pairs::{Case, Report};
pub use parts::Part;
pub use peer::Peer;
