//! Computes each node's configuration from a snapshot of all objects, and decides for each object whether its
//! newest spec is accepted.
//!
//! [`plan`] is a pure function: it knows no client, no clock and no order of events. The same snapshot always
//! gives the same plan. An edit that breaks a rule is refused as a whole, on the object that was edited, and the
//! last accepted spec stays in effect.
//!
//! Start with [`ClusterSnapshot`] and [`Plan`].
#![forbid(unsafe_code)]

mod admit;
mod budget;
mod bursts;
mod conditions;
mod desired;
mod effective;
mod extended_resources;
mod namespaces;
mod node;
mod node_reports;
mod outcome;
mod rejection;
mod resolved_tree;
mod rules;
mod snapshot;
mod status;
mod supply;

pub use extended_resources::{capacity, extended_resources, is_full};
pub use node_reports::{
    Aggregate, Aggregates, ApplyState, ClassReport, Group, NodeCondition, NodeReport, NodeReports,
    NodeSupply, OrphanedVms, PoolReport, SourceSeverity, orphaned,
};
pub use outcome::{ClassPlan, ObjectPlan, Plan, PoolPlan};
pub use rejection::{ObjectKind, Rejection};
pub use snapshot::{ClusterNode, ClusterSnapshot, Labels};
pub use status::keep_transition_times;

/// Computes what every node of the snapshot serves, and which edits are refused.
pub fn plan(snapshot: &ClusterSnapshot) -> Plan {
    let desired = desired::DesiredSpecs::of(snapshot);
    let resolved = admit::admit(&desired, &snapshot.nodes);
    outcome::build(&desired, &resolved, snapshot)
}
