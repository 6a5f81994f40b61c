//! From what was seen to what is served: one plan for many changes that come together.

use std::sync::Arc;
use std::time::Duration;

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
    Some(Planned { plan: plan::plan(&snapshot), versions, lists })
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
