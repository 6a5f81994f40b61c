//! The control plane: what users wrote becomes each node's configuration, and what nodes say becomes status.
//!
//! [`index`](Index) holds what was seen, `plan` decides, and everything else here is a shell around the two:
//! watches, the agents' gRPC stream, status, the Lease. It refuses to decide anything about bytes, and to know a
//! VM by more than its uid and class. Start with [`run`].
#![forbid(unsafe_code)]

mod admin;
mod admission;
mod agents;
mod args;
mod ca;
mod clock;
mod kubevirt;
mod leader_election;
mod metrics;
mod nodes;
mod queue_depth;
mod reconciler;
pub mod reflector;
mod run;
mod state;
mod status;
mod store;
mod watches;

pub use args::Args;
pub use metrics::page as metrics_page;
pub use run::run;
pub use state::{PublishedPlan, SharedState};
pub use store::{Progress, Store, StoredNode};
