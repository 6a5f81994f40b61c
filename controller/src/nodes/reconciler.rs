//! The task that writes label and slots of Node objects while this replica holds the Lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::{Api, Client};
use tokio::sync::watch;

use super::desired::{DesiredNode, Disconnected};
use super::patch::{NodePatch, write};
use crate::clock;
use crate::leader_election::Leadership;
use crate::reflector::PartialNode;
use crate::state::SharedState;

const INTERVAL: Duration = Duration::from_millis(500);
/// An agent that is disconnected for this long is away. After a restart of the agent or the controller it connects
/// sooner.
const AWAY_AFTER: Duration = Duration::from_secs(30);
/// A node that is disconnected for this long and has no agent's pod runs no agent: a replaced pod starts sooner.
const GONE_AFTER: Duration = Duration::from_mins(2);
/// Nodes written in one round, which makes two hundred a second.
const WRITES_PER_ROUND: usize = 100;
const CONCURRENT_WRITES: usize = 8;

/// Writes nodes while this replica leads; never returns.
pub(crate) async fn run(state: Arc<SharedState>, client: Client, role: watch::Receiver<Leadership>) {
    let api: Api<PartialNode> = Api::all(client);
    let mut disconnected: BTreeMap<String, Duration> = BTreeMap::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        if !role.borrow().leads() {
            // The next leader gives every agent time to connect.
            disconnected.clear();
            state.queues.nodes.set(0);
            continue;
        }
        let writes = due(&state, &mut disconnected, clock::since_start());
        state.queues.nodes.set(writes.len());
        let writes = writes.into_iter().take(WRITES_PER_ROUND).map(|it| write_one(&api, &state, it));
        futures::stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).collect::<()>().await;
    }
}

/// The writes that are due now. `disconnected` has the time since when each node has not been connected.
fn due(state: &SharedState, disconnected: &mut BTreeMap<String, Duration>, now: Duration) -> Vec<NodePatch> {
    let Some(planned) = state.plan.borrow().clone() else { return Vec::new() };
    // Lock order: the reports, then the store, as everywhere.
    let (node_reports, store) = (state.node_reports(), state.store());
    let names = planned
        .plan
        .nodes
        .keys()
        .chain(node_reports.keys().filter(|name| !planned.plan.nodes.contains_key(*name)));
    let agents = store.nodes_with_agent();
    let mut writes = Vec::new();
    for name in names {
        let Some(node) = store.node(name) else { continue };
        let report = node_reports.get(name);
        if report.is_some_and(|report| report.connected) {
            disconnected.remove(name);
        } else {
            disconnected.entry(name.clone()).or_insert(now);
        }
        let state = disconnected_state(disconnected.get(name), now, agents.contains(&**name));
        let config = planned.plan.nodes.get(name).map(|config| &**config);
        writes.extend(NodePatch::of(name, &DesiredNode::of(config, report, state), node));
    }
    disconnected.retain(|name, _| store.node(name).is_some());
    writes
}

fn disconnected_state(since: Option<&Duration>, now: Duration, has_agent_pod: bool) -> Disconnected {
    match since {
        Some(since) if *since + GONE_AFTER <= now && !has_agent_pod => Disconnected::Gone,
        Some(since) if *since + AWAY_AFTER <= now => Disconnected::Away,
        _ => Disconnected::Briefly,
    }
}

async fn write_one(api: &Api<PartialNode>, state: &SharedState, it: NodePatch) {
    if let Some(node) = write(api, it).await {
        state.store().set_written_node(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disconnected_node_is_gone_after_two_minutes_without_an_agent_s_pod() {
        use Disconnected::{Away, Briefly, Gone};
        let since = Duration::from_secs(10);
        let after = |seconds, has_agent_pod| {
            disconnected_state(Some(&since), since + Duration::from_secs(seconds), has_agent_pod)
        };
        assert_eq!(disconnected_state(None, since, false), Briefly);
        assert_eq!((after(29, false), after(30, false)), (Briefly, Away));
        assert_eq!((after(120, false), after(9_999, true)), (Gone, Away));
    }
}
