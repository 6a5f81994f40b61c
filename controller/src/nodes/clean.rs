//! `clean-nodes`: removes everything that was written to nodes, before an uninstallation.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures::StreamExt;
use kube::api::ListParams;
use kube::{Api, Client};
use tracing::info;

use super::desired::DesiredNode;
use super::patch::{NodePatch, write};
use crate::api_error::api_error;
use crate::leader_election;
use crate::reflector::PartialNode;
use crate::store::StoredNode;

/// The holder of the Lease while the nodes are cleaned.
const HOLDER: &str = "clean-nodes";
/// Replicas read the Lease once a second; a write that is under way ends within this time.
const WAIT_FOR_REPLICAS: Duration = Duration::from_secs(3);
/// Rounds over all nodes, each of which removes what the previous one missed.
const ROUNDS: u32 = 5;
const PAGE_SIZE: u32 = 500;
const CONCURRENT_WRITES: usize = 8;

/// Keeps the replicas from writing, and removes the label and the slots from every node.
pub(crate) async fn clean(client: Client, namespace: &str) -> Result<()> {
    let acquired = leader_election::force_acquire(client.clone(), namespace, HOLDER).await;
    acquired.map_err(|error| {
        let error = api_error(&error);
        anyhow!("failed to take the Lease, without which the controllers would write to nodes again: {error}")
    })?;
    tokio::time::sleep(WAIT_FOR_REPLICAS).await;
    let api: Api<PartialNode> = Api::all(client);
    let mut cleaned = 0;
    for _ in 0..ROUNDS {
        let listed = dirty_nodes(&api).await;
        let writes = listed.map_err(|error| anyhow!("failed to list nodes: {}", api_error(&error)))?;
        if writes.is_empty() {
            info!(nodes = cleaned, "nodes cleaned");
            return Ok(());
        }
        cleaned += writes.len();
        let writes = futures::stream::iter(writes).map(|it| write(&api, it));
        writes.buffer_unordered(CONCURRENT_WRITES).collect::<Vec<_>>().await;
    }
    bail!(
        "some nodes still have the label entropool.io/agent or slots of classes: see the log for the reasons"
    )
}

/// The patches for all nodes that have the label or slots.
async fn dirty_nodes(api: &Api<PartialNode>) -> Result<Vec<NodePatch>, kube::Error> {
    let mut params = ListParams::default().limit(PAGE_SIZE);
    let mut writes = Vec::new();
    loop {
        let page = api.list(&params).await?;
        writes.extend(page.items.into_iter().filter_map(|node| {
            let name = node.metadata.name.clone().unwrap_or_default();
            NodePatch::of(&name, &DesiredNode::empty(), &StoredNode::of(node))
        }));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(writes),
        }
    }
}
