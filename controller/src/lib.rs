//! The control plane: it turns the objects of the API server into each node's configuration, and the nodes' reports
//! into status.
//!
//! The [`Store`] holds the watched objects and the crate `plan` decides; the rest is a shell around the two: watches,
//! the agents' gRPC stream, status, leader election. The controller decides nothing about bytes, and knows only a VM's
//! uid and class. Start with [`run`].
#![forbid(unsafe_code)]

mod admin;
mod admission;
mod agents;
mod api_error;
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
mod service_check;
mod state;
mod status;
mod store;
mod watches;

pub use args::ControllerArgs;
pub use metrics::page as metrics_page;
pub use run::run;
pub use state::{PublishedPlan, SharedState};
pub use store::{Progress, Store, StoredNode};
