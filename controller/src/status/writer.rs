//! The task that writes status and Events while this replica holds the Lease.

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

use super::alarm_events::AlarmEvents;
use super::condition_events::{ConditionEvent, events};
use super::diff::{Priority, Status, priority};
use super::event_recorder::EventRecorder;
use super::node_events::{EventObject, node_events};
use super::persistence_filter::PersistenceFilter;
use super::refusal_debounce::RefusalDebounce;
use super::write_limiter::WriteLimiter;
use crate::api_error::api_error;
use crate::clock;
use crate::leader_election::Leadership;
use crate::state::{PublishedPlan, SharedState};

/// Our name among the owners of fields.
pub(crate) const FIELD_MANAGER: &str = "entropool-controller";
/// How often delayed writes are checked again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after computing all statuses, as a multiple of the time that took: every node's report triggers it, and
/// thousands of reports may change at once.
const PAUSE_FACTOR: u32 = 10;
const MIN_PAUSE: Duration = Duration::from_millis(50);
const CONCURRENT_WRITES: usize = 8;
/// After this replica has become the leader, nodes need this long to connect; until then disconnected nodes are not
/// reported.
const RECONNECT_PERIOD: Duration = Duration::from_secs(15);

/// Writes statuses that have changed, as often as the limits allow, while this replica leads; never returns.
pub(crate) async fn run(
    state: Arc<SharedState>,
    client: Client,
    recorder: Arc<EventRecorder>,
    mut role: watch::Receiver<Leadership>,
) {
    let mut writer = StatusWriter {
        state,
        client,
        recorder,
        limiter: WriteLimiter::default(),
        debounce: RefusalDebounce::default(),
        filter: PersistenceFilter::default(),
        alarms: AlarmEvents::default(),
        leading_since: None,
        delayed: 0,
    };
    loop {
        let leading = role.borrow_and_update().leads();
        writer.leading_since =
            if leading { writer.leading_since.or(Some(clock::since_start())) } else { None };
        if leading {
            let from = clock::since_start();
            let due = writer.due_writes();
            let pause = (clock::since_start().saturating_sub(from) * PAUSE_FACTOR).max(MIN_PAUSE);
            let events = writer.due_node_events();
            writer.write(due).await;
            for (object, event) in events {
                writer.recorder.record(&object, None, vec![event]).await;
            }
            // Notifications during the pause are handled together.
            tokio::time::sleep(pause).await;
        } else {
            writer.state.queues.statuses.set(0);
            // The next leader observes itself which conditions last.
            writer.filter = PersistenceFilter::default();
            writer.alarms = AlarmEvents::default();
        }
        tokio::select! {
            () = writer.state.status_changed.notified() => {}
            () = tokio::time::sleep(RECHECK_INTERVAL), if leading => {}
            changed = role.changed() => if changed.is_err() { return },
        }
    }
}

struct StatusWriter {
    state: Arc<SharedState>,
    client: Client,
    recorder: Arc<EventRecorder>,
    limiter: WriteLimiter,
    debounce: RefusalDebounce,
    filter: PersistenceFilter<(EventObject, String)>,
    alarms: AlarmEvents,
    leading_since: Option<Duration>,
    /// The number of changed statuses that are written later.
    delayed: usize,
}

/// One status to write, and the Events about what it changes.
struct StatusWrite<K, S> {
    object: K,
    status: S,
    events: Vec<ConditionEvent>,
}

#[derive(Default)]
struct StatusWrites {
    pools: Vec<StatusWrite<EntropyPool, api::EntropyPoolStatus>>,
    classes: Vec<StatusWrite<EntropyClass, api::EntropyClassStatus>>,
}

impl StatusWriter {
    fn due_writes(&mut self) -> StatusWrites {
        let Some(planned) = self.state.plan.borrow().clone() else { return StatusWrites::default() };
        let aggregates = Aggregates::of(&planned.plan, &self.state.node_reports());
        self.delayed = 0;
        let (pools, classes) = (self.pools(&planned, &aggregates), self.classes(&planned, &aggregates));
        let exists = |key: &str| match key.split_once('/') {
            Some(("pool", name)) => planned.plan.pools.contains_key(name),
            Some((_, name)) => planned.plan.classes.contains_key(name),
            None => false,
        };
        self.limiter.retain(exists);
        self.debounce.retain(exists);
        self.state.queues.statuses.set(self.delayed);
        StatusWrites { pools, classes }
    }

    fn due_node_events(&mut self) -> Vec<(ObjectReference, ConditionEvent)> {
        // Lock order: the reports, then the store, as everywhere.
        let (node_reports, store) = (self.state.node_reports(), self.state.store());
        let mut events = node_events(&node_reports, &store);
        let now = clock::since_start();
        let due = self.filter.due(now, events.keys().cloned());
        let lasting = due.into_iter().filter_map(|key| Some((key.0.clone(), events.remove(&key)?)));
        let alarms = self.alarms.due(&node_reports, now);
        lasting.chain(alarms).map(|(object, event)| (object.reference(&store), event)).collect()
    }

    async fn write(&self, StatusWrites { pools, classes }: StatusWrites) {
        let (api, state) = (Api::all(self.client.clone()), &self.state);
        write_all(&api, &self.recorder, pools, |pool: EntropyPool| state.store().set_written_pool(pool))
            .await;
        let api = Api::all(self.client.clone());
        write_all(&api, &self.recorder, classes, |class: EntropyClass| {
            state.store().set_written_class(class);
        })
        .await;
    }

    fn pools(
        &mut self,
        planned: &PublishedPlan,
        aggregates: &Aggregates,
    ) -> Vec<StatusWrite<EntropyPool, api::EntropyPoolStatus>> {
        let state = Arc::clone(&self.state);
        let store = state.store();
        let none = plan::Aggregate::default();
        let plans =
            planned.plan.pools.iter().filter_map(|(name, plan)| Some((name, plan, store.pool(name)?)));
        plans
            .filter(|(_, plan, object)| object.metadata.generation == Some(plan.generation))
            .filter_map(|(name, plan, object)| {
                let aggregate = aggregates.pools.get(name).unwrap_or(&none);
                let status = plan.status(aggregate);
                self.due(&format!("pool/{name}"), object.status.as_ref(), status, aggregate.away.count > 0)
                    .map(|status| write(object.clone(), object.status.as_ref(), status))
            })
            .collect()
    }

    fn classes(
        &mut self,
        planned: &PublishedPlan,
        aggregates: &Aggregates,
    ) -> Vec<StatusWrite<EntropyClass, api::EntropyClassStatus>> {
        let state = Arc::clone(&self.state);
        let store = state.store();
        let none = plan::Aggregate::default();
        let plans =
            planned.plan.classes.iter().filter_map(|(name, plan)| Some((name, plan, store.class(name)?)));
        plans
            .filter(|(_, plan, object)| object.metadata.generation == Some(plan.generation))
            .filter_map(|(name, plan, object)| {
                let aggregate = aggregates.classes.get(name).unwrap_or(&none);
                let pool = plan.accepted_spec.as_ref().and_then(|it| planned.plan.pools.get(&it.spec.pool));
                let status = plan.status(aggregate, pool);
                self.due(&format!("class/{name}"), object.status.as_ref(), status, aggregate.away.count > 0)
                    .map(|status| write(object.clone(), object.status.as_ref(), status))
            })
            .collect()
    }

    /// The status with its times, if it is written now. `away` says whether a node of the object is not connected.
    fn due<S: Status>(&mut self, key: &str, before: Option<&S>, mut status: S, away: bool) -> Option<S> {
        status.keep_transition_times(before, &clock::wall());
        let priority = priority(before, &status)?;
        let due = self.is_due(key, priority, &status, away);
        self.delayed += usize::from(!due);
        due.then_some(status)
    }

    fn is_due<S: Status>(&mut self, key: &str, priority: Priority, status: &S, away: bool) -> bool {
        let now = clock::since_start();
        let reconnecting = away && self.leading_since.is_some_and(|since| now < since + RECONNECT_PERIOD);
        self.debounce.allows(key, status.generation(), status.conditions(), now)
            && (priority == Priority::Immediate || !reconnecting)
            && self.limiter.allows(key, priority, now)
    }
}

fn write<K, S: Status>(object: K, before: Option<&S>, status: S) -> StatusWrite<K, S> {
    let events = events(before.map_or(&[], S::conditions), status.conditions());
    StatusWrite { object, status, events }
}

async fn write_all<K, S>(
    api: &Api<K>,
    recorder: &EventRecorder,
    writes: Vec<StatusWrite<K, S>>,
    on_written: impl Fn(K),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let writes = writes.into_iter().map(|write| write_one(api, recorder, write));
    let mut written = futures::stream::iter(writes).buffer_unordered(CONCURRENT_WRITES);
    while let Some(object) = written.next().await {
        if let Some(object) = object {
            on_written(object);
        }
    }
}

async fn write_one<K, S>(api: &Api<K>, recorder: &EventRecorder, write: StatusWrite<K, S>) -> Option<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let meta = write.object.meta();
    let name = meta.name.as_deref()?;
    // The version makes the write fail if the object has changed: a replica that was frozen while another one led must
    // not write an outdated status.
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
            recorder.record(&object.object_ref(&()), None, write.events).await;
            Some(object)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            info!(kind = %K::kind(&()), name, "object changed concurrently; recomputing its status");
            None
        }
        Err(error) => {
            warn!(kind = %K::kind(&()), name, error = api_error(&error), "failed to write status");
            None
        }
    }
}
