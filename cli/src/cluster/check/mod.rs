//! `check`: everything that can be wrong with a cluster, looked at once.

mod inputs;
mod lease;
mod rules;
#[cfg(test)]
mod tests;

use anyhow::Result;
use kube::Client;

use super::args::{ClusterGlobal, Locator};
use crate::check::tell;

/// Prints what was found; it is a failure if anything is wrong.
pub(super) async fn check(client: &Client, global: &ClusterGlobal, place: &Locator) -> Result<()> {
    let facts = inputs::gather(client, &global.system_namespace, &place.nodes).await;
    tell(&rules::judge(&facts), global.output)
}
