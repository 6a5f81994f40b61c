//! From what was seen to what is served: one plan for many changes that come together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codec::Bytes;
use delivery::{Content, NodeConfig};
use plan::Plan;
use tracing::{debug, info};

use crate::watch::Kind;
use crate::world::{Planned, World};

/// How long to wait for changes that belong together: `kubectl apply` of ten objects is one plan, and a change
/// still reaches every node well within a quarter of a second.
const GATHER: Duration = Duration::from_millis(10);

/// Plans whenever something changed; ends never.
pub(crate) async fn run(world: Arc<World>) {
    loop {
        world.replan.notified().await;
        tokio::time::sleep(GATHER).await;
        if let Some(planned) = planned(&world) {
            publish(&world, planned);
        }
    }
}

fn planned(world: &World) -> Option<Planned> {
    let (snapshot, versions, lists) = {
        let index = world.index();
        if !index.is_complete() {
            return None;
        }
        let versions = Kind::ALL.map(|kind| (kind, index.progress(kind).version));
        let lists = Kind::ALL.map(|kind| (kind, index.progress(kind).lists));
        (index.snapshot(), versions.into(), lists.into())
    };
    let plan = plan::plan(&snapshot);
    let before = world.plan.borrow().clone();
    let contents = contents(&plan, before.as_deref());
    Some(Planned { versions, lists, plan, contents })
}

/// Encodes each configuration once, however many nodes share it; one that was encoded before is not again.
fn contents(plan: &Plan, before: Option<&Planned>) -> BTreeMap<String, Arc<Content<Bytes>>> {
    let mut encoded: Vec<(&Arc<NodeConfig>, Arc<Content<Bytes>>)> = Vec::new();
    let mut contents = BTreeMap::new();
    for (node, config) in &plan.nodes {
        let known =
            encoded.iter().find(|(it, _)| Arc::ptr_eq(it, config)).map(|(_, content)| Arc::clone(content));
        let content = known.unwrap_or_else(|| {
            let content = kept(before, node, config).unwrap_or_else(|| Arc::new(codec::encode(config)));
            encoded.push((config, Arc::clone(&content)));
            content
        });
        contents.insert(node.clone(), content);
    }
    contents
}

fn kept(before: Option<&Planned>, node: &str, config: &NodeConfig) -> Option<Arc<Content<Bytes>>> {
    let before = before.filter(|before| before.plan.nodes.get(node).is_some_and(|it| **it == *config))?;
    before.contents.get(node).cloned()
}

fn publish(world: &World, planned: Planned) {
    let first = world.plan.borrow().is_none();
    let changed = world.plan.send_if_modified(|current| {
        let changed = current.as_deref() != Some(&planned);
        if changed {
            *current = Some(Arc::new(planned));
        }
        changed
    });
    if first {
        info!("everything was listed: agents are served");
    }
    debug!(changed, "planned");
    world.restate.notify_one();
}
