//! Writes to Node objects what they should carry, while this replica holds the Lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::{Api, Client};
use tokio::sync::watch;

use super::desired::{DesiredNode, Silence};
use super::patch::{NodePatch, write};
use crate::clock;
use crate::leader_election::Leadership;
use crate::reflector::PartialNode;
use crate::state::SharedState;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// An agent that was silent for so long is away. One that restarts, or whose controller does, is back before.
const AWAY: Duration = Duration::from_secs(30);
/// A node without a pod of an agent that was silent for so long runs none: a pod that is replaced comes sooner.
const GONE: Duration = Duration::from_mins(2);
/// Nodes written in one look: two hundred a second.
const AT_MOST: usize = 100;
/// Writes on their way at a time.
const AT_ONCE: usize = 8;

/// Writes until the end of the program.
pub(crate) async fn run(world: Arc<SharedState>, client: Client, role: watch::Receiver<Leadership>) {
    let api: Api<PartialNode> = Api::all(client);
    let mut silent: BTreeMap<String, Duration> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if !role.borrow().leads() {
            // Whoever leads next gives every agent its time to be heard.
            silent.clear();
            world.queues.nodes.set(0);
            continue;
        }
        let writes = due(&world, &mut silent, clock::since_start());
        world.queues.nodes.set(writes.len());
        let writes = writes.into_iter().take(AT_MOST).map(|it| write_one(&api, &world, it));
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

/// What is to be written now. `silent` keeps since when each node has not been heard.
fn due(world: &SharedState, silent: &mut BTreeMap<String, Duration>, now: Duration) -> Vec<NodePatch> {
    let Some(planned) = world.plan.borrow().clone() else { return Vec::new() };
    // Both are held for a moment, in this order as everywhere.
    let (fleet, index) = (world.fleet(), world.index());
    let names =
        planned.plan.nodes.keys().chain(fleet.keys().filter(|name| !planned.plan.nodes.contains_key(*name)));
    let agents = index.nodes_with_agent();
    let mut writes = Vec::new();
    for name in names {
        let Some(seen) = index.node(name) else { continue };
        let report = fleet.get(name);
        if report.is_some_and(|report| report.connected) {
            silent.remove(name);
        } else {
            silent.entry(name.clone()).or_insert(now);
        }
        let silence = silence(silent.get(name), now, agents.contains(&**name));
        let wanted = DesiredNode::of(planned.plan.nodes.get(name).map(|config| &**config), report, silence);
        writes.extend(NodePatch::of(name, &wanted, seen));
    }
    silent.retain(|name, _| index.node(name).is_some());
    writes
}

fn silence(since: Option<&Duration>, now: Duration, has_agent: bool) -> Silence {
    match since {
        Some(since) if *since + GONE <= now && !has_agent => Silence::Gone,
        Some(since) if *since + AWAY <= now => Silence::Away,
        _ => Silence::Short,
    }
}

async fn write_one(api: &Api<PartialNode>, world: &SharedState, it: NodePatch) {
    if let Some(node) = write(api, it).await {
        world.index().wrote_node(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_given_up_when_it_was_silent_for_long_and_no_pod_may_come_back() {
        let since = Duration::from_secs(10);
        let after =
            |seconds, has_agent| silence(Some(&since), since + Duration::from_secs(seconds), has_agent);
        assert_eq!(silence(None, since, false), Silence::Short);
        assert_eq!((after(29, false), after(30, false)), (Silence::Short, Silence::Away));
        assert_eq!((after(120, false), after(9_999, true)), (Silence::Gone, Silence::Away));
    }
}
