//! What each node serves: a snapshot of all objects goes in, one [`delivery::NodeConfig`] a node comes out, with
//! a verdict on every object.
//!
//! [`plan`] is a function and nothing else: it knows no client, no clock and no order of events. The same
//! snapshot gives the same plan, however it was reached. It refuses to guess: an edit that breaks a rule is
//! refused whole, on the object that was edited, and what ran before goes on.
//!
//! Start with [`Snapshot`] and [`Plan`].
#![forbid(unsafe_code)]

mod accept;
mod conditions;
mod effective;
mod fleet;
mod namespaces;
mod node;
mod outcome;
mod places;
mod refusal;
mod rules;
mod snapshot;
mod status;
mod sum;
mod supply;
mod wish;
mod world;

pub use fleet::{
    ClassReport, Fleet, Group, NodeCondition, NodeReport, Outlived, PoolReport, Severity, Supply, Taken,
    Tallies, Tally, outlived,
};
pub use outcome::{ClassPlan, ObjectPlan, Plan, PoolPlan};
pub use places::{is_full, places, room};
pub use refusal::{Kind, Refusal};
pub use snapshot::{Labels, Node, Snapshot};
pub use status::keep_times;

/// Decides what every node of the snapshot serves, and which edits are refused.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let wishes = wish::Wishes::of(snapshot);
    let settled = accept::settle(&wishes, &snapshot.nodes);
    outcome::report(&wishes, &settled, snapshot)
}
