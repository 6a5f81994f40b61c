//! Makes and publishes a new plan when watched objects change: one plan for many changes that come together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codec::Bytes;
use delivery::{NodeConfig, ResourceSet};
use plan::Plan;
use tracing::{debug, info};

use crate::reflector::WatchKind;
use crate::state::{PublishedPlan, SharedState};

/// How long to wait for changes that belong together: `kubectl apply` of ten objects is one plan, and a change
/// still reaches every node well within a quarter of a second.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// Plans whenever something has changed; never returns.
pub(crate) async fn run(state: Arc<SharedState>) {
    loop {
        state.replan.notified().await;
        tokio::time::sleep(DEBOUNCE).await;
        if let Some(plan) = reconcile(&state) {
            publish(&state, plan);
            state.remove_stale_reports();
        }
    }
}

/// A new plan; `None` until every kind has been listed.
fn reconcile(state: &SharedState) -> Option<PublishedPlan> {
    let (snapshot, versions, lists) = {
        let store = state.store();
        if !store.is_complete() {
            return None;
        }
        let versions = WatchKind::ALL.map(|kind| (kind, store.progress(kind).version));
        let lists = WatchKind::ALL.map(|kind| (kind, store.progress(kind).lists));
        (store.snapshot(), versions.into(), lists.into())
    };
    let mut plan = plan::plan(&snapshot);
    let before = state.plan.borrow().clone();
    let resources = encode(&mut plan, before.as_deref());
    Some(PublishedPlan { versions, lists, plan, resources })
}

/// Encodes each configuration once, however many nodes share it. An unchanged one is taken from the previous plan, so
/// that plans can be compared by pointers.
fn encode(plan: &mut Plan, before: Option<&PublishedPlan>) -> BTreeMap<String, Arc<ResourceSet<Bytes>>> {
    let mut encoded: BTreeMap<*const NodeConfig, (Arc<NodeConfig>, Arc<ResourceSet<Bytes>>)> =
        BTreeMap::new();
    let mut resources = BTreeMap::new();
    for (node, config) in &mut plan.nodes {
        let encode_once = || {
            let unchanged = unchanged(before, node, config);
            unchanged.unwrap_or_else(|| (Arc::clone(config), Arc::new(codec::encode(config))))
        };
        let (shared, set) = encoded.entry(Arc::as_ptr(config)).or_insert_with(encode_once);
        resources.insert(node.clone(), Arc::clone(set));
        *config = Arc::clone(shared);
    }
    resources
}

fn unchanged(
    before: Option<&PublishedPlan>,
    node: &str,
    config: &NodeConfig,
) -> Option<(Arc<NodeConfig>, Arc<ResourceSet<Bytes>>)> {
    let before = before?;
    let known = before.plan.nodes.get(node).filter(|known| ***known == *config)?;
    Some((Arc::clone(known), Arc::clone(before.resources.get(node)?)))
}

fn publish(state: &SharedState, plan: PublishedPlan) {
    let first = state.plan.borrow().is_none();
    let changed = state.plan.send_if_modified(|current| {
        // A new version alone does not wake thousands of streams: they read it when they send something.
        let changed = current.as_deref().is_none_or(|before| differs(before, &plan));
        *current = Some(Arc::new(plan));
        changed
    });
    if first {
        info!("all kinds listed; serving agents");
    }
    debug!(changed, "plan published");
    state.status_changed.notify_one();
}

fn differs(before: &PublishedPlan, after: &PublishedPlan) -> bool {
    before.lists != after.lists || before.plan != after.plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(nodes: &[&str], classes: u64, before: Option<&PublishedPlan>) -> PublishedPlan {
        let shared = Arc::new(NodeConfig::default());
        let nodes = nodes.iter().map(|node| ((*node).to_owned(), Arc::clone(&shared))).collect();
        let mut plan = Plan { nodes, ..Plan::default() };
        let resources = encode(&mut plan, before);
        let versions = [(WatchKind::Class, classes)].into();
        PublishedPlan { versions, lists: BTreeMap::new(), plan, resources }
    }

    #[test]
    fn nodes_that_serve_the_same_share_it_with_the_previous_plan_too() {
        let first = plan_of(&["a", "b"], 1, None);
        let second = plan_of(&["a", "b", "c"], 2, Some(&first));
        for (node, config) in &second.plan.nodes {
            assert!(Arc::ptr_eq(config, &first.plan.nodes["a"]), "{node}");
            assert!(Arc::ptr_eq(&second.resources[node], &first.resources["a"]), "{node}");
        }
    }

    #[test]
    fn a_new_version_alone_is_published_without_waking_streams() {
        let state = SharedState::default();
        publish(&state, plan_of(&["a"], 1, None));
        let mut plans = state.plan.subscribe();
        plans.mark_unchanged();
        publish(&state, plan_of(&["a"], 2, None));
        assert!(!plans.has_changed().expect("the world is there"));
        assert_eq!(plans.borrow().as_ref().expect("it was planned").versions[&WatchKind::Class], 2);
        publish(&state, plan_of(&["a", "b"], 3, None));
        assert!(plans.has_changed().expect("the world is there"));
    }
}
