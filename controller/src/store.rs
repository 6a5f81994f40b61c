//! The watched objects, and the version up to which each kind is known.

use std::collections::{BTreeMap, BTreeSet};

use api::names::{AGENT_LABEL, CLASS_ANNOTATION, CSI_DRIVER, RESOURCE_PREFIX};
use api::{EntropyClass, EntropyPool};
use delivery::agent_auth;
use kube::core::DeserializeGuard;
use plan::{ClusterNode, ClusterSnapshot, Labels};
use tracing::error;

use crate::reflector::{
    PartialAgentPod, PartialCsiDriver, PartialNamespace, PartialNode, PartialPod, ReflectorEvent, WatchKind,
    WatchedObject,
};

#[derive(Debug, Default)]
pub struct Store {
    pools: BTreeMap<String, EntropyPool>,
    classes: BTreeMap<String, EntropyClass>,
    namespaces: BTreeMap<String, Labels>,
    nodes: BTreeMap<String, StoredNode>,
    vm_pods: BTreeMap<String, VmPod>,
    agent_pods: BTreeMap<String, agent_auth::AgentPod>,
    drivers: BTreeMap<String, bool>,
    progress: BTreeMap<WatchKind, Progress>,
}

/// Up to which version a kind is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub version: u64,
    /// How often the kind was listed completely.
    pub lists: u64,
    /// Whether the watch is open.
    pub live: bool,
}

/// What is kept of a pod that our webhook labelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct VmPod {
    /// The class that its annotation names; empty if it names none.
    class: String,
    /// The classes of which it has asked the scheduler for a slot. Nobody can change that of a pod that exists.
    slots: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredNode {
    pub labels: Labels,
    /// The node's slots, by extended resource.
    pub slots: BTreeMap<String, String>,
}

impl StoredNode {
    pub fn of(node: PartialNode) -> Self {
        Self { labels: node.metadata.labels.unwrap_or_default(), slots: node.status.capacity }
    }
}

impl Store {
    /// Applies an event of a pool. Like the methods below, it returns whether the plan may change.
    pub fn apply_pool(&mut self, event: ReflectorEvent<DeserializeGuard<EntropyPool>>) -> bool {
        let decoded = |guard| decoded(WatchKind::Pool, guard);
        let same = |a: &EntropyPool, b: &EntropyPool| {
            let accepted = |pool: &EntropyPool| pool.status.as_ref().and_then(|it| it.accepted.clone());
            a.spec == b.spec && a.metadata.generation == b.metadata.generation && accepted(a) == accepted(b)
        };
        let progress = self.progress.entry(WatchKind::Pool).or_default();
        let event = skip_older(event, |name| self.pools.get(name).map(WatchedObject::version));
        apply(&mut self.pools, progress, event, decoded, same)
    }

    pub fn apply_class(&mut self, event: ReflectorEvent<DeserializeGuard<EntropyClass>>) -> bool {
        let decoded = |guard| decoded(WatchKind::Class, guard);
        let same = |a: &EntropyClass, b: &EntropyClass| {
            let accepted = |class: &EntropyClass| class.status.as_ref().and_then(|it| it.accepted.clone());
            a.spec == b.spec && a.metadata.generation == b.metadata.generation && accepted(a) == accepted(b)
        };
        let progress = self.progress.entry(WatchKind::Class).or_default();
        let event = skip_older(event, |name| self.classes.get(name).map(WatchedObject::version));
        apply(&mut self.classes, progress, event, decoded, same)
    }

    pub fn apply_namespace(&mut self, event: ReflectorEvent<PartialNamespace>) -> bool {
        let labels = |namespace: PartialNamespace| Some(namespace.metadata.labels.unwrap_or_default());
        let progress = self.progress.entry(WatchKind::Namespace).or_default();
        apply(&mut self.namespaces, progress, event, labels, |a, b| a == b)
    }

    pub fn apply_node(&mut self, event: ReflectorEvent<PartialNode>) -> bool {
        let node = |node: PartialNode| Some(StoredNode::of(node));
        let progress = self.progress.entry(WatchKind::Node).or_default();
        apply(&mut self.nodes, progress, event, node, |a, b| a.labels == b.labels)
    }

    /// Only our own CSI driver is stored.
    pub fn apply_driver(&mut self, event: ReflectorEvent<PartialCsiDriver>) -> bool {
        let ours = |driver: PartialCsiDriver| {
            (driver.named() == CSI_DRIVER).then_some(driver.spec.pod_info_on_mount)
        };
        let progress = self.progress.entry(WatchKind::Driver).or_default();
        apply(&mut self.drivers, progress, event, ours, |a, b| a == b)
    }

    /// Pods that our webhook labelled; no plan depends on them.
    pub fn apply_vm_pod(&mut self, event: ReflectorEvent<PartialPod>) -> bool {
        let by_uid = |mut pod: PartialPod| {
            pod.metadata.name = pod.metadata.uid.take();
            pod
        };
        let event = match event {
            ReflectorEvent::Listed(pods, version) => {
                ReflectorEvent::Listed(pods.into_iter().map(by_uid).collect(), version)
            }
            ReflectorEvent::Applied(pod) => ReflectorEvent::Applied(by_uid(pod)),
            ReflectorEvent::Deleted(pod) => ReflectorEvent::Deleted(by_uid(pod)),
            ReflectorEvent::Reached(version) => ReflectorEvent::Reached(version),
            ReflectorEvent::Lost => ReflectorEvent::Lost,
        };
        let stored = |pod: PartialPod| {
            let class = pod.metadata.annotations.and_then(|mut all| all.remove(CLASS_ANNOTATION));
            let requests = pod.spec.containers.into_iter().flat_map(|container| container.resources.requests);
            let requested = requests.filter(|(_, count)| count.parse().is_ok_and(|count: u64| count > 0));
            let slots = requested.map(|(resource, _)| resource[RESOURCE_PREFIX.len()..].to_owned());
            // Without the annotation the class is the pool's default class.
            Some(VmPod { class: class.unwrap_or_default(), slots: slots.collect() })
        };
        let progress = self.progress.entry(WatchKind::Vm).or_default();
        apply(&mut self.vm_pods, progress, event, stored, |a, b| a == b)
    }

    /// The agents' pods; no plan depends on them.
    pub fn apply_agent_pod(&mut self, event: ReflectorEvent<PartialAgentPod>) -> bool {
        let pod = |pod: PartialAgentPod| {
            Some(agent_auth::AgentPod {
                uid: pod.metadata.uid.unwrap_or_default(),
                node: pod.spec.node_name,
                service_account: pod.spec.service_account_name,
            })
        };
        let progress = self.progress.entry(WatchKind::Agent).or_default();
        apply(&mut self.agent_pods, progress, event, pod, |a, b| a == b)
    }

    /// The input of a plan. Its nodes are those with the agent's label.
    pub fn snapshot(&self) -> ClusterSnapshot {
        let agents = self.nodes.iter().filter(|(_, node)| node.labels.contains_key(AGENT_LABEL));
        let node = |(name, node): (&String, &StoredNode)| {
            (name.clone(), ClusterNode { labels: node.labels.clone() })
        };
        ClusterSnapshot {
            pools: self.pools.values().cloned().collect(),
            classes: self.classes.values().cloned().collect(),
            namespaces: self.namespaces.clone(),
            nodes: agents.map(node).collect(),
            // Without the object, no kubelet requests a volume.
            pod_info_on_mount: Some(self.drivers.get(CSI_DRIVER).copied().unwrap_or_default()),
        }
    }

    /// Stores a pool that the API server returned when its status was written. It says nothing about other pools.
    pub fn set_written_pool(&mut self, pool: EntropyPool) {
        if let Some(known) = self.pools.get_mut(pool.named()).filter(|known| known.version() < pool.version())
        {
            *known = pool;
        }
    }

    pub fn set_written_class(&mut self, class: EntropyClass) {
        if let Some(known) =
            self.classes.get_mut(class.named()).filter(|known| known.version() < class.version())
        {
            *known = class;
        }
    }

    /// Stores the slots of a node that the API server returned when they were written. Labels come from the watch.
    pub fn set_written_node(&mut self, node: PartialNode) {
        if let Some(known) = self.nodes.get_mut(node.named()) {
            known.slots = node.status.capacity;
        }
    }

    pub fn pool(&self, name: &str) -> Option<&EntropyPool> {
        self.pools.get(name)
    }

    pub fn class(&self, name: &str) -> Option<&EntropyClass> {
        self.classes.get(name)
    }

    /// A node, whether it runs an agent or not.
    pub fn node(&self, name: &str) -> Option<&StoredNode> {
        self.nodes.get(name)
    }

    pub fn all_nodes(&self) -> &BTreeMap<String, StoredNode> {
        &self.nodes
    }

    /// The class that a pod's annotation names, by the pod's uid; empty for the pool's default class.
    pub fn vm_class(&self, uid: &str) -> Option<&str> {
        self.vm_pods.get(uid).map(|pod| pod.class.as_str())
    }

    /// Whether the pod has asked the scheduler for a slot of the class, as its spec says: neither its labels nor its
    /// annotations nor the attributes of its volume matter.
    pub fn has_slot(&self, uid: &str, class: &str) -> bool {
        self.vm_pods.get(uid).is_some_and(|pod| pod.slots.iter().any(|slot| slot == class))
    }

    pub fn agent_pod(&self, name: &str) -> Option<&agent_auth::AgentPod> {
        self.agent_pods.get(name)
    }

    /// The nodes that have an agent's pod.
    pub fn nodes_with_agent(&self) -> BTreeSet<&str> {
        self.agent_pods.values().map(|pod| pod.node.as_str()).collect()
    }

    pub fn progress(&self, kind: WatchKind) -> Progress {
        self.progress.get(&kind).copied().unwrap_or_default()
    }

    /// Whether every kind has been listed.
    pub fn is_complete(&self) -> bool {
        WatchKind::ALL.iter().all(|kind| self.progress(*kind).lists > 0)
    }

    /// Whether every kind has been listed and is watched.
    pub fn is_live(&self) -> bool {
        self.is_complete() && WatchKind::ALL.iter().all(|kind| self.progress(*kind).live)
    }
}

/// One object that cannot be decoded must not hide the others of its kind: it is logged, and its last state stays.
fn decoded<K>(kind: WatchKind, guard: DeserializeGuard<K>) -> Option<K> {
    guard
        .0
        .inspect_err(|invalid| {
            let object = invalid.metadata.name.as_deref().unwrap_or_default();
            error!(kind = kind.as_str(), object, error = %invalid.error, "failed to decode object; its last state stays");
        })
        .ok()
}

/// Our own write returns an object before the watch does; what the watch sends in between is older and is skipped.
fn skip_older<K: WatchedObject>(
    event: ReflectorEvent<K>,
    known: impl Fn(&str) -> Option<u64>,
) -> ReflectorEvent<K> {
    match event {
        ReflectorEvent::Applied(object) if known(object.named()) > Some(object.version()) => {
            ReflectorEvent::Reached(object.version())
        }
        event => event,
    }
}

/// Applies an event to one kind. `convert` returns what is stored of an object, `None` to skip it; returns whether
/// something changed that is not the `same`.
fn apply<K: WatchedObject, V>(
    known: &mut BTreeMap<String, V>,
    progress: &mut Progress,
    event: ReflectorEvent<K>,
    convert: impl Fn(K) -> Option<V>,
    same: impl Fn(&V, &V) -> bool,
) -> bool {
    progress.live = !matches!(event, ReflectorEvent::Lost);
    match event {
        ReflectorEvent::Listed(objects, version) => {
            // A list is authoritative even if it is older: the cluster may have been restored from a backup.
            *progress = Progress { version, lists: progress.lists + 1, live: true };
            replace_all(known, objects, convert, same)
        }
        ReflectorEvent::Applied(object) => {
            progress.version = progress.version.max(object.version());
            let name = object.named().to_owned();
            convert(object).is_some_and(|value| put(known, name, value, same))
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

fn replace_all<K: WatchedObject, V>(
    known: &mut BTreeMap<String, V>,
    objects: Vec<K>,
    convert: impl Fn(K) -> Option<V>,
    same: impl Fn(&V, &V) -> bool,
) -> bool {
    let mut before = std::mem::take(known);
    let mut changed = false;
    for object in objects {
        let name = object.named().to_owned();
        let old = before.remove(&name);
        let (now, differs) = match (convert(object), old) {
            (Some(now), Some(old)) => {
                let differs = !same(&old, &now);
                (Some(now), differs)
            }
            (Some(now), None) => (Some(now), true),
            (None, old) => (old, false),
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
    fn the_snapshot_has_our_driver_and_no_other() {
        let mut store = Store::default();
        let pod_info = |store: &Store| store.snapshot().pod_info_on_mount;
        assert!(!store.apply_driver(ReflectorEvent::Listed(vec![driver("other.example", true)], 1)));
        assert_eq!(pod_info(&store), Some(false));
        assert!(store.apply_driver(ReflectorEvent::Applied(driver(CSI_DRIVER, true))));
        assert_eq!(pod_info(&store), Some(true));
        assert!(!store.apply_driver(ReflectorEvent::Lost));
        assert_eq!(pod_info(&store), Some(true));
        assert!(store.apply_driver(ReflectorEvent::Applied(driver(CSI_DRIVER, false))));
        assert_eq!(pod_info(&store), Some(false));
        assert!(store.apply_driver(ReflectorEvent::Deleted(driver(CSI_DRIVER, true))));
        assert_eq!(pod_info(&store), Some(false));
    }
}
