//! All that was seen of the cluster, as one snapshot with the version it stands for.

use std::collections::{BTreeMap, BTreeSet};

use api::names::{AGENT_LABEL, CLASS_ANNOTATION, CSI_DRIVER};
use api::{EntropyClass, EntropyPool};
use delivery::agent_auth;
use kube::core::DeserializeGuard;
use plan::{Labels, Node, Snapshot};
use tracing::error;

use crate::reflector::{
    Object, PartialAgentPod, PartialCsiDriver, PartialNamespace, PartialNode, PartialPod, ReflectorEvent,
    WatchKind,
};

/// What the watches have brought so far.
#[derive(Debug, Default)]
pub struct Store {
    pools: BTreeMap<String, EntropyPool>,
    classes: BTreeMap<String, EntropyClass>,
    namespaces: BTreeMap<String, Labels>,
    nodes: BTreeMap<String, StoredNode>,
    vms: BTreeMap<String, String>,
    agents: BTreeMap<String, agent_auth::AgentPod>,
    drivers: BTreeMap<String, bool>,
    progress: BTreeMap<WatchKind, Progress>,
}

/// How far a kind is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The newest version seen.
    pub version: u64,
    /// How often it was listed whole.
    pub lists: u64,
    /// Whether news would come at once.
    pub live: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredNode {
    /// Its labels.
    pub labels: Labels,
    /// The places of classes it offers, by resource.
    pub places: BTreeMap<String, String>,
}

impl StoredNode {
    /// Of a node as it was read.
    pub fn of(node: PartialNode) -> Self {
        Self { labels: node.metadata.labels.unwrap_or_default(), places: node.status.capacity }
    }
}

impl Store {
    /// News of pools. Says whether a plan may come out otherwise; so do all of these.
    pub fn pools(&mut self, seen: ReflectorEvent<DeserializeGuard<EntropyPool>>) -> bool {
        let decoded = |guard| decoded(WatchKind::Pool, guard);
        let same = |a: &EntropyPool, b: &EntropyPool| {
            let accepted = |pool: &EntropyPool| pool.status.as_ref().and_then(|it| it.accepted.clone());
            a.spec == b.spec && a.metadata.generation == b.metadata.generation && accepted(a) == accepted(b)
        };
        let progress = self.progress.entry(WatchKind::Pool).or_default();
        let seen = not_older(seen, |name| self.pools.get(name).map(Object::version));
        take(&mut self.pools, progress, seen, decoded, same)
    }

    /// News of classes.
    pub fn classes(&mut self, seen: ReflectorEvent<DeserializeGuard<EntropyClass>>) -> bool {
        let decoded = |guard| decoded(WatchKind::Class, guard);
        let same = |a: &EntropyClass, b: &EntropyClass| {
            let accepted = |class: &EntropyClass| class.status.as_ref().and_then(|it| it.accepted.clone());
            a.spec == b.spec && a.metadata.generation == b.metadata.generation && accepted(a) == accepted(b)
        };
        let progress = self.progress.entry(WatchKind::Class).or_default();
        let seen = not_older(seen, |name| self.classes.get(name).map(Object::version));
        take(&mut self.classes, progress, seen, decoded, same)
    }

    /// News of namespaces.
    pub fn namespaces(&mut self, seen: ReflectorEvent<PartialNamespace>) -> bool {
        let labels = |namespace: PartialNamespace| Some(namespace.metadata.labels.unwrap_or_default());
        let progress = self.progress.entry(WatchKind::Namespace).or_default();
        take(&mut self.namespaces, progress, seen, labels, |a, b| a == b)
    }

    /// News of nodes.
    pub fn nodes(&mut self, seen: ReflectorEvent<PartialNode>) -> bool {
        let node = |node: PartialNode| Some(StoredNode::of(node));
        let progress = self.progress.entry(WatchKind::Node).or_default();
        take(&mut self.nodes, progress, seen, node, |a, b| a.labels == b.labels)
    }

    /// News of CSI drivers, of which one is ours.
    pub fn drivers(&mut self, seen: ReflectorEvent<PartialCsiDriver>) -> bool {
        let ours = |driver: PartialCsiDriver| {
            (driver.named() == CSI_DRIVER).then_some(driver.spec.pod_info_on_mount)
        };
        let progress = self.progress.entry(WatchKind::Driver).or_default();
        take(&mut self.drivers, progress, seen, ours, |a, b| a == b)
    }

    /// News of launcher pods. No plan depends on them.
    pub fn vms(&mut self, seen: ReflectorEvent<PartialPod>) -> bool {
        let by_uid = |mut pod: PartialPod| {
            pod.metadata.name = pod.metadata.uid.take();
            pod
        };
        let seen = match seen {
            ReflectorEvent::Listed(pods, version) => {
                ReflectorEvent::Listed(pods.into_iter().map(by_uid).collect(), version)
            }
            ReflectorEvent::Applied(pod) => ReflectorEvent::Applied(by_uid(pod)),
            ReflectorEvent::Deleted(pod) => ReflectorEvent::Deleted(by_uid(pod)),
            ReflectorEvent::Reached(version) => ReflectorEvent::Reached(version),
            ReflectorEvent::Lost => ReflectorEvent::Lost,
        };
        // Without the annotation the class is the pool's default one.
        let class = |pod: PartialPod| {
            Some(
                pod.metadata.annotations.and_then(|mut all| all.remove(CLASS_ANNOTATION)).unwrap_or_default(),
            )
        };
        let progress = self.progress.entry(WatchKind::Vm).or_default();
        take(&mut self.vms, progress, seen, class, |a, b| a == b)
    }

    /// News of the agents' pods. No plan depends on them.
    pub fn agents(&mut self, seen: ReflectorEvent<PartialAgentPod>) -> bool {
        let pod = |pod: PartialAgentPod| {
            Some(agent_auth::AgentPod {
                uid: pod.metadata.uid.unwrap_or_default(),
                node: pod.spec.node_name,
                service_account: pod.spec.service_account_name,
            })
        };
        let progress = self.progress.entry(WatchKind::Agent).or_default();
        take(&mut self.agents, progress, seen, pod, |a, b| a == b)
    }

    /// The snapshot to plan from: nodes are those that run an agent, which the label says.
    pub fn snapshot(&self) -> Snapshot {
        let agents = self.nodes.iter().filter(|(_, node)| node.labels.contains_key(AGENT_LABEL));
        let node =
            |(name, node): (&String, &StoredNode)| (name.clone(), Node { labels: node.labels.clone() });
        Snapshot {
            pools: self.pools.values().cloned().collect(),
            classes: self.classes.values().cloned().collect(),
            namespaces: self.namespaces.clone(),
            nodes: agents.map(node).collect(),
            // Without the object no kubelet asks for a volume.
            pod_info_on_mount: Some(self.drivers.get(CSI_DRIVER).copied().unwrap_or_default()),
        }
    }

    /// A pool as the API server gave it back when its status was written. It says nothing of other pools.
    pub fn wrote_pool(&mut self, pool: EntropyPool) {
        if let Some(known) = self.pools.get_mut(pool.named()).filter(|known| known.version() < pool.version())
        {
            *known = pool;
        }
    }

    /// A class, likewise.
    pub fn wrote_class(&mut self, class: EntropyClass) {
        if let Some(known) =
            self.classes.get_mut(class.named()).filter(|known| known.version() < class.version())
        {
            *known = class;
        }
    }

    /// A node as the API server gave it back when its places were written. Its labels are the watch's to tell.
    pub fn wrote_node(&mut self, node: PartialNode) {
        if let Some(known) = self.nodes.get_mut(node.named()) {
            known.places = node.status.capacity;
        }
    }

    /// One pool.
    pub fn pool(&self, name: &str) -> Option<&EntropyPool> {
        self.pools.get(name)
    }

    /// One class.
    pub fn class(&self, name: &str) -> Option<&EntropyClass> {
        self.classes.get(name)
    }

    /// One node, whether it runs an agent or not.
    pub fn node(&self, name: &str) -> Option<&StoredNode> {
        self.nodes.get(name)
    }

    /// All nodes by name.
    pub fn all_nodes(&self) -> &BTreeMap<String, StoredNode> {
        &self.nodes
    }

    /// The class that a launcher pod's annotation asks for, by the pod's uid; empty for the pool's default one.
    pub fn vm_class(&self, uid: &str) -> Option<&str> {
        self.vms.get(uid).map(String::as_str)
    }

    /// An agent's pod, by its name.
    pub fn agent(&self, pod: &str) -> Option<&agent_auth::AgentPod> {
        self.agents.get(pod)
    }

    /// The nodes that have an agent's pod.
    pub fn nodes_with_agent(&self) -> BTreeSet<&str> {
        self.agents.values().map(|pod| pod.node.as_str()).collect()
    }

    /// How far a kind is known.
    pub fn progress(&self, kind: WatchKind) -> Progress {
        self.progress.get(&kind).copied().unwrap_or_default()
    }

    /// Whether every kind was listed once.
    pub fn is_complete(&self) -> bool {
        WatchKind::ALL.iter().all(|kind| self.progress(*kind).lists > 0)
    }

    /// Whether news of every kind would come at once.
    pub fn is_live(&self) -> bool {
        self.is_complete() && WatchKind::ALL.iter().all(|kind| self.progress(*kind).live)
    }
}

/// One object that cannot be read must not hide all others of its kind: it is told of, and what was known of it stays.
fn decoded<K>(kind: WatchKind, guard: DeserializeGuard<K>) -> Option<K> {
    guard
        .0
        .inspect_err(|invalid| {
            let object = invalid.metadata.name.as_deref().unwrap_or_default();
            error!(kind = kind.as_str(), object, error = %invalid.error, "an object cannot be read and is left as it was");
        })
        .ok()
}

/// Our own write shows us an object before the watch does; what the watch brings in between is older.
fn not_older<K: Object>(seen: ReflectorEvent<K>, known: impl Fn(&str) -> Option<u64>) -> ReflectorEvent<K> {
    match seen {
        ReflectorEvent::Applied(object) if known(object.named()) > Some(object.version()) => {
            ReflectorEvent::Reached(object.version())
        }
        seen => seen,
    }
}

fn take<K: Object, V>(
    known: &mut BTreeMap<String, V>,
    progress: &mut Progress,
    seen: ReflectorEvent<K>,
    keep: impl Fn(K) -> Option<V>,
    same: impl Fn(&V, &V) -> bool,
) -> bool {
    progress.live = !matches!(seen, ReflectorEvent::Lost);
    match seen {
        ReflectorEvent::Listed(objects, version) => {
            // What is listed is the truth, also where it is older: a restored cluster has gone back.
            *progress = Progress { version, lists: progress.lists + 1, live: true };
            relist(known, objects, keep, same)
        }
        ReflectorEvent::Applied(object) => {
            progress.version = progress.version.max(object.version());
            let name = object.named().to_owned();
            keep(object).is_some_and(|value| put(known, name, value, same))
        }
        ReflectorEvent::Deleted(object) => {
            progress.version = progress.version.max(object.version());
            known.remove(object.named()).is_some()
        }
        ReflectorEvent::Reached(version) => {
            progress.version = progress.version.max(version);
            false
        }
        ReflectorEvent::Lost => false,
    }
}

fn put<V>(known: &mut BTreeMap<String, V>, name: String, value: V, same: impl Fn(&V, &V) -> bool) -> bool {
    let changed = known.get(&name).is_none_or(|before| !same(before, &value));
    known.insert(name, value);
    changed
}

fn relist<K: Object, V>(
    known: &mut BTreeMap<String, V>,
    objects: Vec<K>,
    keep: impl Fn(K) -> Option<V>,
    same: impl Fn(&V, &V) -> bool,
) -> bool {
    let mut before = std::mem::take(known);
    let mut changed = false;
    for object in objects {
        let name = object.named().to_owned();
        let was = before.remove(&name);
        let (now, differs) = match (keep(object), was) {
            (Some(now), Some(was)) => {
                let differs = !same(&was, &now);
                (Some(now), differs)
            }
            (Some(now), None) => (Some(now), true),
            (None, was) => (was, false),
        };
        changed |= differs;
        known.extend(now.map(|now| (name, now)));
    }
    changed || !before.is_empty()
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;
    use crate::reflector::PartialCsiDriverSpec;

    fn driver(name: &str, pod_info_on_mount: bool) -> PartialCsiDriver {
        PartialCsiDriver {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: PartialCsiDriverSpec { pod_info_on_mount },
        }
    }

    #[test]
    fn nodes_are_told_of_our_driver_and_of_no_other() {
        let mut index = Store::default();
        let told = |index: &Store| index.snapshot().pod_info_on_mount;
        assert!(!index.drivers(ReflectorEvent::Listed(vec![driver("other.example", true)], 1)));
        assert_eq!(told(&index), Some(false));
        assert!(index.drivers(ReflectorEvent::Applied(driver(CSI_DRIVER, true))));
        assert_eq!(told(&index), Some(true));
        assert!(!index.drivers(ReflectorEvent::Lost));
        assert_eq!(told(&index), Some(true));
        assert!(index.drivers(ReflectorEvent::Applied(driver(CSI_DRIVER, false))));
        assert_eq!(told(&index), Some(false));
        assert!(index.drivers(ReflectorEvent::Deleted(driver(CSI_DRIVER, true))));
        assert_eq!(told(&index), Some(false));
    }
}
