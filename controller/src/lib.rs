//! The control plane: what users wrote becomes each node's configuration, and what nodes say becomes status.
//!
//! [`index`](Index) holds what was seen, `plan` decides, and everything else here is a shell around the two:
//! watches, the agents' gRPC stream, status, the Lease. It refuses to decide anything about bytes, and to know a
//! VM by more than its uid and class. Start with [`run`].
#![forbid(unsafe_code)]

mod admission;
mod args;
mod clock;
mod crowd;
mod feed;
mod http;
mod index;
mod kubevirt;
mod lease;
mod listen;
mod log;
mod metrics;
mod nodes;
mod planner;
mod queues;
mod run;
mod serve;
mod status;
mod trust;
pub mod watch;
mod world;

pub use args::Args;
pub use index::{Index, Progress, SeenNode};
pub use metrics::page as metrics_page;
pub use run::run;
pub use world::{Planned, World};
