//! The log of a program on standard error, and its metrics.
//!
//! A program declares its metrics once, with [`families!`]: the response to a scrape ([`encode`]) and the page in docs/
//! ([`table`]) are made from that list, so that neither can miss a metric. Values are [`Samples`], taken at the moment of
//! the scrape; the crate keeps none.
#![forbid(unsafe_code)]

mod families;
mod log;
mod program;
mod samples;

pub use families::{Family, MetricKind, table};
pub use log::{LogError, init_logging};
pub use program::PROGRAM;
pub use samples::{Histogram, Samples, encode};
