//! A replica of the controller: the real store, plan and sessions, over watches that lag and a Lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::Accepted;
use api::names::{CLASS_ANNOTATION, class_resource};
use clock::{Span, Tick};
use controller::SharedState;
use controller::reflector::WatchKind;
use controller::testing::{AgentSession, DisconnectedSince, NodeLimits, due_patches, replan};
use delivery::Hash;
use plan::{Aggregate, Aggregates};

use super::api_server::{ApiServer, Entry, Object};
use super::mutation::ClusterMutation;

/// A holder that has not renewed the Lease for so long has lost it.
const LEASE: Span = Span::seconds(4);
/// A holder that could not renew for so long stops writing.
const DEADLINE: Span = Span::seconds(3);
const RENEWAL: Span = Span::seconds(1);

pub(crate) struct Replica {
    number: usize,
    pub(crate) state: Arc<SharedState>,
    pub(crate) limits: Arc<NodeLimits>,
    /// By node, with the number of the stream.
    pub(crate) sessions: BTreeMap<String, (u64, AgentSession)>,
    /// How far each kind is watched in the log.
    seen: BTreeMap<WatchKind, usize>,
    epoch: u64,
    /// It is not there until then.
    pub(crate) down_until: Tick,
    /// It does nothing until then.
    pub(crate) frozen_until: Tick,
    /// A watch that is late until then.
    pub(crate) late: Option<(WatchKind, Tick)>,
    /// When it lists everything again.
    list_at: Option<Tick>,
    disconnected: DisconnectedSince,
    /// When it last held the Lease.
    pub(crate) renewed: Option<Tick>,
    renew_at: Tick,
    write_at: Tick,
    written: BTreeSet<String>,
    missed: bool,
}

impl Replica {
    pub(crate) fn new(number: usize, now: Tick) -> Self {
        Self {
            number,
            state: Arc::default(),
            limits: Arc::default(),
            sessions: BTreeMap::new(),
            seen: BTreeMap::new(),
            epoch: 0,
            down_until: now,
            frozen_until: now,
            late: None,
            list_at: Some(now),
            disconnected: DisconnectedSince::new(),
            renewed: None,
            renew_at: now,
            write_at: now,
            written: BTreeSet::new(),
            missed: false,
        }
    }

    /// It dies, and another process of its name starts after a while.
    pub(crate) fn crash(&mut self, now: Tick, back: Tick) {
        *self = Self { down_until: back, list_at: Some(back), ..Self::new(self.number, now) };
    }

    pub(crate) fn runs(&self, now: Tick) -> bool {
        self.down_until <= now && self.frozen_until <= now
    }

    /// Whether agents and the API server are served.
    pub(crate) fn serves(&self, now: Tick) -> bool {
        self.runs(now) && self.state.serves()
    }

    pub(crate) fn leads(&self, now: Tick) -> bool {
        self.renewed.is_some_and(|at| now < at + DEADLINE)
    }

    /// Sees what its watches show by now, and plans. `published` remembers every configuration that was ever planned.
    pub(crate) fn watch(
        &mut self,
        now: Tick,
        api: &ApiServer,
        plant: Option<ClusterMutation>,
        published: &mut BTreeSet<Hash>,
    ) {
        if self.epoch != api.epoch && self.list_at.is_none() {
            self.list_at = Some(now + Span::seconds(1));
        }
        let (mut changed, mut pods) = (false, false);
        if self.list_at.is_some_and(|at| at <= now) {
            self.list_at = None;
            self.epoch = api.epoch;
            for kind in WatchKind::ALL {
                self.list(api, kind);
            }
            (changed, pods) = (true, true);
        }
        if self.epoch == api.epoch && self.list_at.is_none() {
            for kind in WatchKind::ALL {
                if self.state.relist(kind).clear() {
                    self.list(api, kind);
                    changed = true;
                }
            }
            let late = self.late.filter(|(_, until)| *until > now).map(|(kind, _)| kind);
            for kind in WatchKind::ALL.into_iter().filter(|kind| Some(*kind) != late) {
                let differs = self.follow(api, kind, plant);
                pods |= differs && matches!(kind, WatchKind::Vm | WatchKind::Agent);
                changed |= differs && !matches!(kind, WatchKind::Vm | WatchKind::Agent);
            }
        }
        if changed {
            replan(&self.state);
            let plan = self.state.plan.borrow().clone();
            let sets = plan.iter().flat_map(|plan| plan.resources.values());
            published.extend(sets.map(|set| set.digest()));
        }
        if pods {
            self.sessions.values_mut().for_each(|(_, session)| session.check_pods(now));
        }
    }

    fn list(&mut self, api: &ApiServer, kind: WatchKind) {
        api.list(kind, &mut self.state.store());
        self.seen.insert(kind, api.log.len());
    }

    fn follow(&mut self, api: &ApiServer, kind: WatchKind, plant: Option<ClusterMutation>) -> bool {
        let from = self.seen.insert(kind, api.log.len()).unwrap_or_default().min(api.log.len());
        let mut changed = false;
        for entry in api.log[from..].iter().filter(|entry| entry.object.kind() == kind) {
            let is_edit = kind == WatchKind::Class && self.state.plan.borrow().is_some();
            if plant == Some(ClusterMutation::MissedEvent) && is_edit && !self.missed {
                self.missed = true;
                continue;
            }
            changed |= seen_as(entry.clone(), plant).apply(&mut self.state.store());
        }
        changed
    }

    /// Takes or renews the Lease.
    pub(crate) fn elect(&mut self, now: Tick, api: &mut ApiServer, lease: &mut Option<(usize, Tick)>) {
        if now < self.renew_at || !self.state.serves() {
            return;
        }
        self.renew_at = now + RENEWAL;
        let held_by_other = lease.is_some_and(|(holder, at)| holder != self.number && now < at + LEASE);
        if held_by_other {
            self.renewed = None;
            return;
        }
        let _ = api;
        *lease = Some((self.number, now));
        self.renewed = Some(now);
    }

    /// Writes status and nodes, if it believes to lead.
    pub(crate) fn write(&mut self, now: Tick, api: &mut ApiServer, plant: Option<ClusterMutation>) {
        if now < self.write_at {
            return;
        }
        self.write_at = now + Span::millis(500);
        if self.renewed.is_none() {
            self.disconnected.clear();
            return;
        }
        self.write_nodes(now, api, plant);
        self.write_statuses(api, plant);
    }

    fn write_nodes(&mut self, now: Tick, api: &mut ApiServer, plant: Option<ClusterMutation>) {
        let patches = due_patches(&self.state, &mut self.disconnected, Duration::from_nanos(now.0));
        for patch in patches {
            let once = plant == Some(ClusterMutation::SlotsWrittenOnce);
            if once && patch.status.is_some() && !self.written.insert(patch.name.clone()) {
                continue;
            }
            api.patch_node(&patch.name, patch.metadata.as_ref(), patch.status.as_ref());
            if api.nodes.contains_key(&patch.name) && patch.status.is_some() {
                self.state.store().set_written_node(api.node(&patch.name));
            }
        }
    }

    fn write_statuses(&self, api: &mut ApiServer, plant: Option<ClusterMutation>) {
        let Some(planned) = self.state.plan.borrow().clone() else { return };
        let aggregates = Aggregates::of(&planned.plan, &self.state.node_reports());
        let none = Aggregate::default();
        let blind = plant == Some(ClusterMutation::BlindStatusWrite);
        let accepts_all = plant == Some(ClusterMutation::BadEditAccepted);
        for (name, plan) in &planned.plan.pools {
            let Some(mut object) = self.state.store().pool(name).cloned() else { continue };
            if object.metadata.generation != Some(plan.generation) {
                continue;
            }
            let mut status = plan.status(aggregates.pools.get(name).unwrap_or(&none));
            if accepts_all {
                status.accepted = Some(Accepted { generation: plan.generation, spec: object.spec.clone() });
            }
            if object.status.as_ref() == Some(&status) {
                continue;
            }
            if blind {
                object.metadata.resource_version =
                    api.pools.get(name).and_then(|it| it.metadata.resource_version.clone());
            }
            if let Ok(written) = api.write_pool_status(&object, status) {
                self.state.store().set_written_pool(written);
            }
        }
        for (name, plan) in &planned.plan.classes {
            let Some(mut object) = self.state.store().class(name).cloned() else { continue };
            if object.metadata.generation != Some(plan.generation) {
                continue;
            }
            let pool = plan.accepted_spec.as_ref().and_then(|it| planned.plan.pools.get(&it.spec.pool));
            let mut status = plan.status(aggregates.classes.get(name).unwrap_or(&none), pool);
            if accepts_all {
                status.accepted = Some(Accepted { generation: plan.generation, spec: object.spec.clone() });
            }
            if object.status.as_ref() == Some(&status) {
                continue;
            }
            if blind {
                object.metadata.resource_version =
                    api.classes.get(name).and_then(|it| it.metadata.resource_version.clone());
            }
            if let Ok(written) = api.write_class_status(&object, status) {
                self.state.store().set_written_class(written);
            }
        }
    }
}

/// What a watch shows of an event, with the bugs that are planted there.
fn seen_as(mut entry: Entry, plant: Option<ClusterMutation>) -> Entry {
    let Object::Vm(pod, Some(class)) = &mut entry.object else { return entry };
    if plant == Some(ClusterMutation::LabelIsSlot)
        && let Some(container) = pod.spec.containers.first_mut()
    {
        container.resources.requests.insert(class_resource(class), "1".to_owned());
    }
    if plant == Some(ClusterMutation::AnnotationMoves) {
        pod.metadata.annotations = Some([(CLASS_ANNOTATION.to_owned(), class.clone())].into());
    }
    entry
}
