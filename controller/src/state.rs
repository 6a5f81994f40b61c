//! The state shared by all tasks: watched objects, the nodes' reports, and the newest plan.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codec::Bytes;
use delivery::{ResourceSet, Version};
use plan::{NodeReport, NodeReports, Plan};
use tokio::sync::{Notify, watch};

use crate::admission::AdmissionMetrics;
use crate::queue_depth::QueueDepths;
use crate::reflector::{Relist, WatchKind};
use crate::store::Store;

#[derive(Debug)]
pub struct SharedState {
    store: Mutex<Store>,
    node_reports: Mutex<NodeReports>,
    /// Notified when the plan may change.
    pub replan: Notify,
    /// Notified when the status of an object may change.
    pub status_changed: Notify,
    /// The newest plan; `None` until every kind has been listed once.
    pub plan: watch::Sender<Option<Arc<PublishedPlan>>>,
    /// Incremented when the class of a launcher pod may have changed.
    pub vm_pods: watch::Sender<u64>,
    /// Incremented when an agent's pod was created, changed or deleted.
    pub agent_pods: watch::Sender<u64>,
    pub(crate) reviews: AdmissionMetrics,
    pub(crate) queues: QueueDepths,
    relists: BTreeMap<WatchKind, Relist>,
}

/// A plan, and the versions of the objects it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPlan {
    /// The newest version of each kind. The first field, since most comparisons end here.
    pub versions: BTreeMap<WatchKind, u64>,
    /// How often each kind had been listed.
    pub lists: BTreeMap<WatchKind, u64>,
    pub plan: Plan,
    /// The resources of each node; nodes that serve the same share one set.
    pub resources: BTreeMap<String, Arc<ResourceSet<Bytes>>>,
}

impl PublishedPlan {
    /// The version as agents receive it.
    pub fn version(&self) -> Version {
        let delivered = self.versions.iter().filter_map(|(kind, seen)| Some((kind.delivered()?, *seen)));
        delivered.collect()
    }
}

impl Default for SharedState {
    fn default() -> Self {
        Self {
            store: Mutex::default(),
            node_reports: Mutex::default(),
            replan: Notify::new(),
            status_changed: Notify::new(),
            plan: watch::Sender::new(None),
            vm_pods: watch::Sender::new(0),
            agent_pods: watch::Sender::new(0),
            reviews: AdmissionMetrics::default(),
            queues: QueueDepths::default(),
            relists: WatchKind::ALL.into_iter().map(|kind| (kind, Relist::default())).collect(),
        }
    }
}

impl SharedState {
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // A panic leaves no change half done: every change of the store is one assignment.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn node_reports(&self) -> MutexGuard<'_, NodeReports> {
        self.node_reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the newest report of a node.
    pub fn set_report(&self, node: &str, report: NodeReport) {
        let changed = {
            let mut node_reports = self.node_reports();
            match node_reports.get_mut(node) {
                Some(known) if *known == report => false,
                Some(known) => {
                    *known = report;
                    true
                }
                None => node_reports.insert(node.to_owned(), report).is_none(),
            }
        };
        if changed {
            self.status_changed.notify_one();
        }
    }

    /// Marks a node as not connected. Its report is kept as long as the node exists.
    pub fn set_disconnected(&self, node: &str) {
        if let Some(report) = self.node_reports().get_mut(node) {
            report.connected = false;
        }
        self.remove_stale_reports();
        self.status_changed.notify_one();
    }

    /// Removes the reports of nodes that are neither in the cluster nor connected. A later node of the same name is
    /// another node.
    pub fn remove_stale_reports(&self) {
        // Lock order: the reports, then the store, as everywhere.
        let (mut node_reports, store) = (self.node_reports(), self.store());
        node_reports.retain(|name, report| report.connected || store.node(name).is_some());
    }

    /// The handle by which a new list of a kind is requested.
    pub fn relist(&self, kind: WatchKind) -> Relist {
        self.relists.get(&kind).cloned().unwrap_or_default()
    }

    /// Whether agents may be served: every kind has been listed and is watched, and there is a plan.
    pub fn serves(&self) -> bool {
        self.plan.borrow().is_some() && self.store().is_live()
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;
    use crate::reflector::{PartialNode, ReflectorEvent};

    fn node(name: &str) -> PartialNode {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        PartialNode { metadata, ..PartialNode::default() }
    }

    fn reporting(state: &SharedState) -> Vec<String> {
        state.node_reports().keys().cloned().collect()
    }

    #[test]
    fn a_report_is_removed_when_the_node_is_neither_in_the_cluster_nor_connected() {
        let state = SharedState::default();
        state.store().apply_node(ReflectorEvent::Listed(["heard", "away", "stays"].map(node).into(), 1));
        for name in ["heard", "away", "stays"] {
            state.set_report(name, NodeReport { connected: true, ..NodeReport::default() });
        }
        state.set_disconnected("away");
        state.set_disconnected("stays");
        assert_eq!(reporting(&state), ["away", "heard", "stays"]);
        state.store().apply_node(ReflectorEvent::Deleted(node("away")));
        state.store().apply_node(ReflectorEvent::Deleted(node("heard")));
        state.remove_stale_reports();
        assert_eq!(reporting(&state), ["heard", "stays"]);
        // The agent's pod is deleted with the node, and then its stream ends.
        state.set_disconnected("heard");
        assert_eq!(reporting(&state), ["stays"]);
    }
}
