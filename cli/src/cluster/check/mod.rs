//! `check`: everything that can be wrong with a cluster, checked at once.

mod inputs;
mod leader;
mod rules;
#[cfg(test)]
mod tests;

use anyhow::Result;
use kube::Client;

use super::args::{AgentSelection, ClusterGlobal};
use crate::check::report;

/// Prints the results, and fails if one of them is an error.
pub(super) async fn check(client: &Client, global: &ClusterGlobal, selection: &AgentSelection) -> Result<()> {
    let inputs = inputs::gather(client, &global.system_namespace, &selection.nodes).await;
    report(&rules::cluster(&inputs), global.output)
}
