//! Writes to Node objects what they should carry, while this replica holds the Lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::wanted::Wanted;
use crate::clock;
use crate::lease::Role;
use crate::status::FIELD_MANAGER;
use crate::watch::SlimNode;
use crate::world::World;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// An agent that was silent for so long is away. One that restarts, or whose controller does, is back before.
const AWAY: Duration = Duration::from_secs(30);
/// Nodes written in one look: two hundred a second.
const AT_MOST: usize = 100;
/// Writes on their way at a time.
const AT_ONCE: usize = 8;

/// One node to write.
struct Write {
    name: String,
    metadata: Option<serde_json::Value>,
    status: Option<serde_json::Value>,
}

/// Writes until the end of the program.
pub(crate) async fn run(world: Arc<World>, client: Client, role: watch::Receiver<Role>) {
    let api: Api<SlimNode> = Api::all(client);
    let mut silent: BTreeMap<String, Duration> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if !role.borrow().leads() {
            // Whoever leads next gives every agent its time to be heard.
            silent.clear();
            continue;
        }
        let writes = due(&world, &mut silent, clock::since_start());
        let writes = writes.into_iter().take(AT_MOST).map(|write| write_one(&api, &world, write));
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

/// What is to be written now. `silent` keeps since when each node has not been heard.
fn due(world: &World, silent: &mut BTreeMap<String, Duration>, now: Duration) -> Vec<Write> {
    let Some(planned) = world.plan.borrow().clone() else { return Vec::new() };
    let fleet = world.fleet().clone();
    let index = world.index();
    let names =
        planned.plan.nodes.keys().chain(fleet.keys().filter(|name| !planned.plan.nodes.contains_key(*name)));
    let mut writes = Vec::new();
    for name in names {
        let Some(seen) = index.node(name) else { continue };
        let report = fleet.get(name);
        if report.is_some_and(|report| report.connected) {
            silent.remove(name);
        } else {
            silent.entry(name.clone()).or_insert(now);
        }
        let away = silent.get(name).is_some_and(|since| *since + AWAY <= now);
        let wanted = Wanted::of(planned.plan.nodes.get(name).map(|config| &**config), report, away);
        let (metadata, status) = (wanted.metadata(seen), wanted.status(seen));
        if metadata.is_some() || status.is_some() {
            writes.push(Write { name: name.clone(), metadata, status });
        }
    }
    silent.retain(|name, _| index.node(name).is_some());
    writes
}

async fn write_one(api: &Api<SlimNode>, world: &World, write: Write) {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = &*write.name;
    if let Some(patch) = write.metadata {
        match api.patch(name, &params, &Patch::Merge(patch)).await {
            Ok(_) => debug!(node = name, "labelled"),
            Err(error) => warn!(node = name, %error, "the node cannot be labelled"),
        }
    }
    if let Some(patch) = write.status {
        match api.patch_status(name, &params, &Patch::Merge(patch)).await {
            Ok(node) => {
                debug!(node = name, places = ?node.status.capacity, "places written");
                world.index().wrote_node(node);
            }
            Err(error) => warn!(node = name, %error, "the node's places cannot be written"),
        }
    }
}
