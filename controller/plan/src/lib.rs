//! What each node serves: a snapshot of all objects goes in, one [`delivery::NodeConfig`] a node comes out, with
//! a verdict on every object.
//!
//! [`plan`] is a function and nothing else: it knows no client, no clock and no order of events. The same
//! snapshot gives the same plan, however it was reached. It refuses to guess: an edit that breaks a rule is
//! refused whole, on the object that was edited, and what ran before goes on.
//!
//! Start with [`Snapshot`] and [`Plan`].
#![forbid(unsafe_code)]

mod admit;
mod budget;
mod conditions;
mod desired;
mod effective;
mod extended_resources;
mod namespaces;
mod node;
mod node_reports;
mod outcome;
mod rejection;
mod resolved_pools;
mod rules;
mod snapshot;
mod status;
mod supply;

pub use extended_resources::{capacity, extended_resources, is_full};
pub use node_reports::{
    Aggregate, Aggregates, ApplyState, ClassReport, Group, NodeCondition, NodeReport, NodeReports,
    OrphanedVms, PoolReport, Severity, Supply, orphaned,
};
pub use outcome::{ClassPlan, ObjectPlan, Plan, PoolPlan};
pub use rejection::{ObjectKind, Rejection};
pub use snapshot::{Labels, Node, Snapshot};
pub use status::keep_times;

/// Decides what every node of the snapshot serves, and which edits are refused.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let wishes = desired::DesiredSpecs::of(snapshot);
    let settled = admit::settle(&wishes, &snapshot.nodes);
    outcome::report(&wishes, &settled, snapshot)
}
