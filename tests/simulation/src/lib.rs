//! A host in virtual time: the agent and its successors, the guests and tools that draw from it, VMs that come, move
//! and go, tenants that mean harm, sources that fail, a disk that is cut off, an operator who edits. All of it follows
//! from one seed.
//!
//! The agent's part is the real code, with real sockets and what the kernel says of them; only its clock, its threads,
//! its sources and its disk are ours. What must hold is looked at after every instant: see [`Broken`]. It refuses to
//! sleep and to read a clock. Start with [`simulate`].
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)] // A simulation that cannot be set up has nothing to report.

// So that the model of a disk, which is the agent's own tests', finds the agent.
extern crate agent as entropool_agent;

mod checkpoint;
mod client;
#[path = "../../../agent/tests/checkpoint/model.rs"]
#[allow(dead_code, reason = "it can do more than is asked of it here")]
mod disk;
mod fault;
mod handover;
mod ledger;
mod mutations;
mod process;
mod scenario;
mod violation;
mod wire;
mod world;

pub use mutations::Mutation;
pub use violation::Violation;
pub use world::Report;

/// Plays the life that follows from a seed, with a bug planted or none, and says what it came to.
pub fn simulate(seed: u64, plant: Option<Mutation>) -> Result<Report, Violation> {
    world::World::new(seed, plant).live()
}
