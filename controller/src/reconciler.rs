//! From what was seen to what is served: one plan for many changes that come together.

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
const GATHER: Duration = Duration::from_millis(10);

/// Plans whenever something changed; ends never.
pub(crate) async fn run(world: Arc<SharedState>) {
    loop {
        world.replan.notified().await;
        tokio::time::sleep(GATHER).await;
        if let Some(planned) = planned(&world) {
            publish(&world, planned);
            world.forget_nodes();
        }
    }
}

fn planned(world: &SharedState) -> Option<PublishedPlan> {
    let (snapshot, versions, lists) = {
        let index = world.index();
        if !index.is_complete() {
            return None;
        }
        let versions = WatchKind::ALL.map(|kind| (kind, index.progress(kind).version));
        let lists = WatchKind::ALL.map(|kind| (kind, index.progress(kind).lists));
        (index.snapshot(), versions.into(), lists.into())
    };
    let mut plan = plan::plan(&snapshot);
    let before = world.plan.borrow().clone();
    let contents = contents(&mut plan, before.as_deref());
    Some(PublishedPlan { versions, lists, plan, contents })
}

/// Encodes each configuration once, however many nodes share it. One that was there before is taken from there, so that
/// whoever compares plans compares pointers.
fn contents(plan: &mut Plan, before: Option<&PublishedPlan>) -> BTreeMap<String, Arc<ResourceSet<Bytes>>> {
    let mut encoded: BTreeMap<*const NodeConfig, (Arc<NodeConfig>, Arc<ResourceSet<Bytes>>)> =
        BTreeMap::new();
    let mut contents = BTreeMap::new();
    for (node, config) in &mut plan.nodes {
        let fresh = || {
            let known = kept(before, node, config);
            known.unwrap_or_else(|| (Arc::clone(config), Arc::new(codec::encode(config))))
        };
        let (known, content) = encoded.entry(Arc::as_ptr(config)).or_insert_with(fresh);
        contents.insert(node.clone(), Arc::clone(content));
        *config = Arc::clone(known);
    }
    contents
}

fn kept(
    before: Option<&PublishedPlan>,
    node: &str,
    config: &NodeConfig,
) -> Option<(Arc<NodeConfig>, Arc<ResourceSet<Bytes>>)> {
    let before = before?;
    let known = before.plan.nodes.get(node).filter(|known| ***known == *config)?;
    Some((Arc::clone(known), Arc::clone(before.contents.get(node)?)))
}

fn publish(world: &SharedState, planned: PublishedPlan) {
    let first = world.plan.borrow().is_none();
    let changed = world.plan.send_if_modified(|current| {
        // A version that is new alone is nothing to wake thousands of streams for: who sends something looks it up.
        let changed = current.as_deref().is_none_or(|before| differs(before, &planned));
        *current = Some(Arc::new(planned));
        changed
    });
    if first {
        info!("everything was listed: agents are served");
    }
    debug!(changed, "planned");
    world.restate.notify_one();
}

fn differs(before: &PublishedPlan, after: &PublishedPlan) -> bool {
    before.lists != after.lists || before.plan != after.plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(nodes: &[&str], classes: u64, before: Option<&PublishedPlan>) -> PublishedPlan {
        let shared = Arc::new(NodeConfig::default());
        let nodes = nodes.iter().map(|node| ((*node).to_owned(), Arc::clone(&shared))).collect();
        let mut plan = Plan { nodes, ..Plan::default() };
        let contents = contents(&mut plan, before);
        PublishedPlan {
            versions: [(WatchKind::Class, classes)].into(),
            lists: BTreeMap::new(),
            plan,
            contents,
        }
    }

    #[test]
    fn nodes_that_serve_the_same_share_it_also_with_the_plan_before() {
        let first = planned(&["a", "b"], 1, None);
        let second = planned(&["a", "b", "c"], 2, Some(&first));
        for (node, config) in &second.plan.nodes {
            assert!(Arc::ptr_eq(config, &first.plan.nodes["a"]), "{node}");
            assert!(Arc::ptr_eq(&second.contents[node], &first.contents["a"]), "{node}");
        }
    }

    #[test]
    fn a_version_that_is_new_alone_wakes_nobody_and_is_known_all_the_same() {
        let world = SharedState::default();
        publish(&world, planned(&["a"], 1, None));
        let mut plans = world.plan.subscribe();
        plans.mark_unchanged();
        publish(&world, planned(&["a"], 2, None));
        assert!(!plans.has_changed().expect("the world is there"));
        assert_eq!(plans.borrow().as_ref().expect("it was planned").versions[&WatchKind::Class], 2);
        publish(&world, planned(&["a", "b"], 3, None));
        assert!(plans.has_changed().expect("the world is there"));
    }
}
