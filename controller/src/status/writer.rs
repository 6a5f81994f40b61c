//! Writes what has changed, while this replica holds the Lease.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use api::names::API_VERSION;
use api::{EntropyClass, EntropyPool};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use plan::Aggregates;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::condition_events::{ConditionEvent, news};
use super::diff::{Priority, Status, urgency};
use super::event_recorder::EventRecorder;
use super::node_events::{EventObject, tidings};
use super::persistence_filter::PersistenceFilter;
use super::refusal_debounce::RefusalDebounce;
use super::write_limiter::WriteLimiter;
use crate::clock;
use crate::leader_election::Leadership;
use crate::state::{PublishedPlan, SharedState};

/// Who we are among the owners of fields.
pub(crate) const FIELD_MANAGER: &str = "entropool-controller";
/// How often what had to wait is looked at again.
const LOOK: Duration = Duration::from_secs(1);
/// At most this part of the time goes into looking at what all nodes say: each of them rings for every change, and thousands
/// change at once.
const LOOKING: u32 = 10;
/// Between two looks, however quick they are.
const BREATH: Duration = Duration::from_millis(50);
/// Writes on their way at a time.
const AT_ONCE: usize = 8;
/// For so long after taking the Lease, silence of nodes is not told: they are still reconnecting.
const SETTLING: Duration = Duration::from_secs(15);

/// Writes status as often as it changes and the pace allows, while this replica leads; ends never.
pub(crate) async fn run(
    world: Arc<SharedState>,
    client: Client,
    herald: Arc<EventRecorder>,
    mut role: watch::Receiver<Leadership>,
) {
    let (pace, grace, lasting) =
        (WriteLimiter::default(), RefusalDebounce::default(), PersistenceFilter::default());
    let mut writer = StatusWriter { world, client, pace, grace, lasting, herald, since: None, waiting: 0 };
    loop {
        let leading = role.borrow_and_update().leads();
        writer.since = if leading { writer.since.or(Some(clock::since_start())) } else { None };
        if leading {
            let from = clock::since_start();
            let due = writer.look();
            let pause = (clock::since_start().saturating_sub(from) * LOOKING).max(BREATH);
            let news = writer.look_at_nodes();
            writer.write(due).await;
            for (object, news) in news {
                writer.herald.tell(&object, None, vec![news]).await;
            }
            // What rings meanwhile is looked at once.
            tokio::time::sleep(pause).await;
        } else {
            writer.world.queues.statuses.set(0);
            // Whoever leads next has its own time to see what lasts.
            writer.lasting = PersistenceFilter::default();
        }
        tokio::select! {
            () = writer.world.restate.notified() => {}
            () = tokio::time::sleep(LOOK), if leading => {}
            changed = role.changed() => if changed.is_err() { return },
        }
    }
}

struct StatusWriter {
    world: Arc<SharedState>,
    client: Client,
    pace: WriteLimiter,
    grace: RefusalDebounce,
    lasting: PersistenceFilter<(EventObject, String)>,
    herald: Arc<EventRecorder>,
    since: Option<Duration>,
    /// Objects whose status is to be written later, of those looked at so far.
    waiting: usize,
}

/// One status to write.
struct StatusWrite<K, S> {
    object: K,
    status: S,
    /// What it changes, as far as people should hear of it.
    news: Vec<ConditionEvent>,
}

/// What one look comes to.
#[derive(Default)]
struct StatusWrites {
    pools: Vec<StatusWrite<EntropyPool, api::PoolStatus>>,
    classes: Vec<StatusWrite<EntropyClass, api::ClassStatus>>,
}

impl StatusWriter {
    /// What is to be written now.
    fn look(&mut self) -> StatusWrites {
        let Some(planned) = self.world.plan.borrow().clone() else { return StatusWrites::default() };
        let tallies = Aggregates::of(&planned.plan, &self.world.fleet());
        self.waiting = 0;
        let (pools, classes) = (self.pools(&planned, &tallies), self.classes(&planned, &tallies));
        let exists = |key: &str| match key.split_once('/') {
            Some(("pool", name)) => planned.plan.pools.contains_key(name),
            Some((_, name)) => planned.plan.classes.contains_key(name),
            None => false,
        };
        self.pace.retain(exists);
        self.grace.retain(exists);
        self.world.queues.statuses.set(self.waiting);
        StatusWrites { pools, classes }
    }

    /// What of all that nodes say is an Event now.
    fn look_at_nodes(&mut self) -> Vec<(ObjectReference, ConditionEvent)> {
        // In this order, as everywhere.
        let (fleet, index) = (self.world.fleet(), self.world.index());
        let mut tidings = tidings(&fleet, &index);
        let due = self.lasting.due(clock::since_start(), tidings.keys().cloned());
        due.into_iter().filter_map(|key| Some((key.0.reference(&index), tidings.remove(&key)?))).collect()
    }

    async fn write(&self, StatusWrites { pools, classes }: StatusWrites) {
        let (api, world) = (Api::all(self.client.clone()), &self.world);
        write_all(&api, &self.herald, pools, |pool: EntropyPool| world.index().wrote_pool(pool)).await;
        let api = Api::all(self.client.clone());
        write_all(&api, &self.herald, classes, |class: EntropyClass| world.index().wrote_class(class)).await;
    }

    fn pools(
        &mut self,
        planned: &PublishedPlan,
        tallies: &Aggregates,
    ) -> Vec<StatusWrite<EntropyPool, api::PoolStatus>> {
        let world = Arc::clone(&self.world);
        let index = world.index();
        let none = plan::Aggregate::default();
        let plans =
            planned.plan.pools.iter().filter_map(|(name, plan)| Some((name, plan, index.pool(name)?)));
        plans
            .filter(|(_, plan, object)| object.metadata.generation == Some(plan.generation))
            .filter_map(|(name, plan, object)| {
                let tally = tallies.pools.get(name).unwrap_or(&none);
                let status = plan.status(tally);
                self.due(&format!("pool/{name}"), object.status.as_ref(), status, tally.away.count > 0)
                    .map(|status| write(object.clone(), object.status.as_ref(), status))
            })
            .collect()
    }

    fn classes(
        &mut self,
        planned: &PublishedPlan,
        tallies: &Aggregates,
    ) -> Vec<StatusWrite<EntropyClass, api::ClassStatus>> {
        let world = Arc::clone(&self.world);
        let index = world.index();
        let none = plan::Aggregate::default();
        let plans =
            planned.plan.classes.iter().filter_map(|(name, plan)| Some((name, plan, index.class(name)?)));
        plans
            .filter(|(_, plan, object)| object.metadata.generation == Some(plan.generation))
            .filter_map(|(name, plan, object)| {
                let tally = tallies.classes.get(name).unwrap_or(&none);
                let pool = plan.accepted_spec.as_ref().and_then(|it| planned.plan.pools.get(&it.spec.pool));
                let status = plan.status(tally, pool);
                self.due(&format!("class/{name}"), object.status.as_ref(), status, tally.away.count > 0)
                    .map(|status| write(object.clone(), object.status.as_ref(), status))
            })
            .collect()
    }

    /// The status with its times, if it is to be written now.
    fn due<S: Status>(&mut self, key: &str, before: Option<&S>, mut status: S, silence: bool) -> Option<S> {
        status.keep_times(before, &clock::wall());
        let urgency = urgency(before, &status)?;
        let due = self.is_due(key, urgency, &status, silence);
        self.waiting += usize::from(!due);
        due.then_some(status)
    }

    fn is_due<S: Status>(&mut self, key: &str, urgency: Priority, status: &S, silence: bool) -> bool {
        let now = clock::since_start();
        let settling = silence && self.since.is_some_and(|since| now < since + SETTLING);
        self.grace.is_over(key, status.generation(), status.conditions(), now)
            && (urgency == Priority::Now || !settling)
            && self.pace.allows(key, urgency, now)
    }
}

fn write<K, S: Status>(object: K, before: Option<&S>, status: S) -> StatusWrite<K, S> {
    let news = news(before.map_or(&[], S::conditions), status.conditions());
    StatusWrite { object, status, news }
}

async fn write_all<K, S>(
    api: &Api<K>,
    herald: &EventRecorder,
    writes: Vec<StatusWrite<K, S>>,
    wrote: impl Fn(K),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let writes = writes.into_iter().map(|write| write_one(api, herald, write));
    let mut written = futures::stream::iter(writes).buffer_unordered(AT_ONCE);
    while let Some(object) = written.next().await {
        if let Some(object) = object {
            wrote(object);
        }
    }
}

async fn write_one<K, S>(api: &Api<K>, herald: &EventRecorder, write: StatusWrite<K, S>) -> Option<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let meta = write.object.meta();
    let name = meta.name.as_deref()?;
    // With the version it was made from: one who was frozen while another led cannot write an older truth.
    let patch = json!({
        "apiVersion": API_VERSION,
        "kind": K::kind(&()),
        "metadata": {"name": name, "resourceVersion": meta.resource_version},
        "status": write.status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(patch)).await {
        Ok(object) => {
            debug!(kind = %K::kind(&()), name, "status written");
            herald.tell(&object.object_ref(&()), None, write.news).await;
            Some(object)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            info!(kind = %K::kind(&()), name, "it changed meanwhile: its status is made anew");
            None
        }
        Err(error) => {
            warn!(kind = %K::kind(&()), name, %error, "status cannot be written");
            None
        }
    }
}
