//! What the tasks share: all that was seen, all that was said, and the plan made of it.

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

/// Shared by all tasks.
#[derive(Debug)]
pub struct SharedState {
    index: Mutex<Store>,
    fleet: Mutex<NodeReports>,
    /// Rung when a plan may come out otherwise.
    pub replan: Notify,
    /// Rung when a node said something that status tells, or an object's own status changed.
    pub restate: Notify,
    /// The newest plan; none before everything was listed once.
    pub plan: watch::Sender<Option<Arc<PublishedPlan>>>,
    /// Counts the times at which a launcher pod may have come to name another class.
    pub moves: watch::Sender<u64>,
    pub(crate) reviews: AdmissionMetrics,
    pub(crate) queues: QueueDepths,
    /// Counts the times at which an agent's pod came or went.
    pub agents: watch::Sender<u64>,
    relists: BTreeMap<WatchKind, Relist>,
}

/// A plan and what it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPlan {
    /// The newest version seen of each kind when it was made. First, since a comparison mostly ends here.
    pub versions: BTreeMap<WatchKind, u64>,
    /// How often each kind had been listed by then.
    pub lists: BTreeMap<WatchKind, u64>,
    /// The plan.
    pub plan: Plan,
    /// What each node is sent; nodes that serve the same share one.
    pub contents: BTreeMap<String, Arc<ResourceSet<Bytes>>>,
}

impl PublishedPlan {
    /// The version as agents know it.
    pub fn version(&self) -> Version {
        let delivered = self.versions.iter().filter_map(|(kind, seen)| Some((kind.delivered()?, *seen)));
        delivered.collect()
    }
}

impl Default for SharedState {
    fn default() -> Self {
        Self {
            index: Mutex::default(),
            fleet: Mutex::default(),
            replan: Notify::new(),
            restate: Notify::new(),
            plan: watch::Sender::new(None),
            moves: watch::Sender::new(0),
            reviews: AdmissionMetrics::default(),
            queues: QueueDepths::default(),
            agents: watch::Sender::new(0),
            relists: WatchKind::ALL.into_iter().map(|kind| (kind, Relist::default())).collect(),
        }
    }
}

impl SharedState {
    /// All that was seen.
    pub fn index(&self) -> MutexGuard<'_, Store> {
        // Nothing is left half done by a panic: every change of the index is one assignment.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that nodes said.
    pub fn fleet(&self) -> MutexGuard<'_, NodeReports> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is known of a node now.
    pub fn report(&self, node: &str, report: NodeReport) {
        let changed = {
            let mut fleet = self.fleet();
            match fleet.get_mut(node) {
                Some(known) if *known == report => false,
                Some(known) => {
                    *known = report;
                    true
                }
                None => fleet.insert(node.to_owned(), report).is_none(),
            }
        };
        if changed {
            self.restate.notify_one();
        }
    }

    /// Notes that a node cannot be heard any more; what it said stands, for as long as there is such a node.
    pub fn lost(&self, node: &str) {
        if let Some(report) = self.fleet().get_mut(node) {
            report.connected = false;
        }
        self.forget_nodes();
        self.restate.notify_one();
    }

    /// Forgets what nodes said that are neither in the cluster nor heard any more: one that comes by the same name later is
    /// another.
    pub fn forget_nodes(&self) {
        // Both are held for a moment, in this order as everywhere.
        let (mut fleet, index) = (self.fleet(), self.index());
        fleet.retain(|name, report| report.connected || index.node(name).is_some());
    }

    /// Who may ask for a new list of a kind.
    pub fn relist(&self, kind: WatchKind) -> Relist {
        self.relists.get(&kind).cloned().unwrap_or_default()
    }

    /// Whether agents may be served: everything was listed, planned, and news would come.
    pub fn serves(&self) -> bool {
        self.plan.borrow().is_some() && self.index().is_live()
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

    fn known(world: &SharedState) -> Vec<String> {
        world.fleet().keys().cloned().collect()
    }

    #[test]
    fn what_a_node_said_is_forgotten_when_it_is_neither_in_the_cluster_nor_heard() {
        let world = SharedState::default();
        world.index().nodes(ReflectorEvent::Listed(["heard", "away", "stays"].map(node).into(), 1));
        for name in ["heard", "away", "stays"] {
            world.report(name, NodeReport { connected: true, ..NodeReport::default() });
        }
        world.lost("away");
        world.lost("stays");
        assert_eq!(known(&world), ["away", "heard", "stays"]);
        world.index().nodes(ReflectorEvent::Deleted(node("away")));
        world.index().nodes(ReflectorEvent::Deleted(node("heard")));
        world.forget_nodes();
        assert_eq!(known(&world), ["heard", "stays"]);
        // Its agent's pod goes with the node, and then its stream.
        world.lost("heard");
        assert_eq!(known(&world), ["stays"]);
    }
}
