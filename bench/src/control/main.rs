//! `make bench-control`: one controller, thousands of agents, and what an edit, a restart and a VM cost.
//!
//! The controller is the real program. Agents are simulated, but for what counts: each has its own TCP connection, TLS and
//! gRPC stream, and the real [`delivery`] half decides what it does. The API server is a stand-in that answers at once, so
//! that its own figures are not in ours; a review of a token takes it two milliseconds.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people; 52 bits are plenty")]

mod agent;
mod apiserver;
mod counted;
mod fleet;
mod objects;
mod program;
mod run;
mod store;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Measures the controller with many agents.
#[derive(Parser)]
struct Args {
    /// The controller, built for release
    #[arg(long)]
    controller: PathBuf,
    /// Agents, each with a connection of its own
    #[arg(long, default_value_t = 5_000)]
    agents: usize,
    /// VMs that each agent reports
    #[arg(long, default_value_t = 20)]
    vms: usize,
    /// Classes of the pool
    #[arg(long, default_value_t = 50)]
    classes: usize,
    /// Edits of one class, one after the other
    #[arg(long, default_value_t = 40)]
    edits: usize,
    /// Milliseconds that the API server takes for the review of a token
    #[arg(long, default_value_t = 2)]
    review: u64,
    /// The core that the controller has for itself
    #[arg(long, default_value_t = 0)]
    core: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run::run(&args))
}
