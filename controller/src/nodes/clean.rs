//! All that was written to nodes, taken off again before an uninstallation.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::api::ListParams;
use kube::{Api, Client};
use tracing::info;

use super::desired::DesiredNode;
use super::patch::{NodePatch, write};
use crate::leader_election;
use crate::reflector::PartialNode;
use crate::store::StoredNode;

/// Who holds the Lease meanwhile.
const HOLDER: &str = "clean-nodes";
/// Replicas look at the Lease once a second; one that writes just now is done after this.
const NOTICED: Duration = Duration::from_secs(3);
/// Looks at all nodes, each of which takes off what the one before has missed.
const LOOKS: u32 = 5;
const PAGE: u32 = 500;
const AT_ONCE: usize = 8;

/// Keeps the replicas from writing and takes label and places off every node.
pub(crate) async fn clean(client: Client, namespace: &str) -> Result<()> {
    let seized = leader_election::force_acquire(client.clone(), namespace, HOLDER).await;
    seized.context(
        "the Lease of the controllers cannot be taken, so they would write again what is taken off",
    )?;
    tokio::time::sleep(NOTICED).await;
    let api: Api<PartialNode> = Api::all(client);
    let mut cleaned = 0;
    for _ in 0..LOOKS {
        let writes = dirty(&api).await.context("nodes cannot be listed")?;
        if writes.is_empty() {
            info!(nodes = cleaned, "no node has a label or a place of ours any more");
            return Ok(());
        }
        cleaned += writes.len();
        let writes = futures::stream::iter(writes).map(|it| write(&api, it));
        writes.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    }
    bail!("some nodes still have the label entropool.io/agent or places of classes: the log says why")
}

/// The nodes that have something of ours.
async fn dirty(api: &Api<PartialNode>) -> Result<Vec<NodePatch>, kube::Error> {
    let (mut params, mut writes) = (ListParams::default().limit(PAGE), Vec::new());
    loop {
        let page = api.list(&params).await?;
        writes.extend(page.items.into_iter().filter_map(|node| {
            let name = node.metadata.name.clone().unwrap_or_default();
            NodePatch::of(&name, &DesiredNode::nothing(), &StoredNode::of(node))
        }));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(writes),
        }
    }
}
