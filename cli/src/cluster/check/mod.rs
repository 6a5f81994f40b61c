//! `check`: everything that can be wrong with a cluster, looked at once.

mod facts;
mod judge;
mod lease;
#[cfg(test)]
mod tests;

use anyhow::Result;
use kube::Client;

use super::args::{Global, Where};
use crate::check::tell;

/// Prints what was found; it is a failure if anything is wrong.
pub(super) async fn check(client: &Client, global: &Global, place: &Where) -> Result<()> {
    let facts = facts::gather(client, &global.system_namespace, &place.nodes).await;
    tell(&judge::judge(&facts), global.output)
}
