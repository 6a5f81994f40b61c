//! The API server: its objects, their versions, and what watches see of them.

use std::collections::BTreeMap;

use api::names::{CSI_DRIVER, NAMESPACE_NAME_LABEL, POOL_ANNOTATION, VM_LABEL, VM_TRUE};
use api::{EntropyClass, EntropyPool};
use controller::Store;
use controller::reflector::{
    PartialAgentPod, PartialCsiDriver, PartialNamespace, PartialNode, PartialPod, ReflectorEvent, WatchKind,
};
use kube::core::DeserializeGuard;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pod::Pod;

/// An object as a watch sees it.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Pool(Box<EntropyPool>),
    Class(Box<EntropyClass>),
    Namespace(PartialNamespace),
    Node(PartialNode),
    /// With the class that its annotation names.
    Vm(PartialPod, Option<String>),
    Agent(PartialAgentPod),
    Driver(PartialCsiDriver),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) object: Object,
    pub(crate) deleted: bool,
}

/// A Node: labels, and slots by extended resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeObject {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) capacity: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct ApiServer {
    pub(crate) revision: u64,
    pub(crate) pools: BTreeMap<String, EntropyPool>,
    pub(crate) classes: BTreeMap<String, EntropyClass>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) nodes: BTreeMap<String, NodeObject>,
    /// By uid.
    pub(crate) pods: BTreeMap<String, Pod>,
    /// The uids of the agents' pods, by node.
    pub(crate) agents: BTreeMap<String, String>,
    /// What a namespace may request of a class.
    pub(crate) quotas: BTreeMap<(String, String), u64>,
    /// All that happened since it was restored last.
    pub(crate) log: Vec<Entry>,
    /// How often it was restored.
    pub(crate) epoch: u64,
    backup: Option<Backup>,
}

#[derive(Clone, Debug)]
struct Backup {
    revision: u64,
    pools: BTreeMap<String, EntropyPool>,
    classes: BTreeMap<String, EntropyClass>,
}

/// A write was refused, because the object has changed since it was read.
#[derive(Debug)]
pub(crate) struct Conflict;

impl Object {
    pub(crate) fn kind(&self) -> WatchKind {
        match self {
            Self::Pool(_) => WatchKind::Pool,
            Self::Class(_) => WatchKind::Class,
            Self::Namespace(_) => WatchKind::Namespace,
            Self::Node(_) => WatchKind::Node,
            Self::Vm(..) => WatchKind::Vm,
            Self::Agent(_) => WatchKind::Agent,
            Self::Driver(_) => WatchKind::Driver,
        }
    }
}

impl Entry {
    /// Passes the event to a controller's store; returns whether a plan may change.
    pub(crate) fn apply(self, store: &mut Store) -> bool {
        let deleted = self.deleted;
        match self.object {
            Object::Pool(it) => store.apply_pool(event(DeserializeGuard(Ok(*it)), deleted)),
            Object::Class(it) => store.apply_class(event(DeserializeGuard(Ok(*it)), deleted)),
            Object::Namespace(it) => store.apply_namespace(event(it, deleted)),
            Object::Node(it) => store.apply_node(event(it, deleted)),
            Object::Vm(it, _) => store.apply_vm_pod(event(it, deleted)),
            Object::Agent(it) => store.apply_agent_pod(event(it, deleted)),
            Object::Driver(it) => store.apply_driver(event(it, deleted)),
        }
    }
}

fn event<K>(object: K, deleted: bool) -> ReflectorEvent<K> {
    if deleted { ReflectorEvent::Deleted(object) } else { ReflectorEvent::Applied(object) }
}

fn decoded<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

impl ApiServer {
    pub(crate) fn new(namespaces: &[&str]) -> Self {
        Self { namespaces: namespaces.iter().map(|it| (*it).to_owned()).collect(), ..Self::default() }
    }

    /// Passes a list of one kind to a controller's store.
    pub(crate) fn list(&self, kind: WatchKind, store: &mut Store) {
        let at = self.revision;
        match kind {
            WatchKind::Pool => {
                let all = self.pools.values().cloned().map(|it| DeserializeGuard(Ok(it))).collect();
                store.apply_pool(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Class => {
                let all = self.classes.values().cloned().map(|it| DeserializeGuard(Ok(it))).collect();
                store.apply_class(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Namespace => {
                let all = self.namespaces.iter().map(|name| self.namespace(name)).collect();
                store.apply_namespace(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Node => {
                let all = self.nodes.keys().map(|name| self.node(name)).collect();
                store.apply_node(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Vm => {
                let all = self.pods.values().filter(|pod| is_labelled(pod)).map(|pod| self.vm(pod)).collect();
                store.apply_vm_pod(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Agent => {
                let all = self.agents.keys().map(|node| self.agent(node)).collect();
                store.apply_agent_pod(ReflectorEvent::Listed(all, at));
            }
            WatchKind::Driver => {
                store.apply_driver(ReflectorEvent::Listed(vec![self.driver()], at));
            }
            WatchKind::KubeVirt | WatchKind::Plugin => {}
        }
    }

    fn version(&self) -> String {
        self.revision.to_string()
    }

    fn namespace(&self, name: &str) -> PartialNamespace {
        let labels = json!({NAMESPACE_NAME_LABEL: name});
        decoded(json!({"metadata": {"name": name, "labels": labels, "resourceVersion": self.version()}}))
    }

    pub(crate) fn node(&self, name: &str) -> PartialNode {
        let NodeObject { labels, capacity } = &self.nodes[name];
        let metadata = json!({"name": name, "labels": labels, "resourceVersion": self.version()});
        decoded(json!({"metadata": metadata, "status": {"capacity": capacity}}))
    }

    fn vm(&self, pod: &Pod) -> PartialPod {
        let mut value = pod.value.clone();
        value["metadata"]["resourceVersion"] = json!(self.version());
        decoded(value)
    }

    fn vm_object(&self, pod: &Pod) -> Object {
        Object::Vm(self.vm(pod), pod.annotated_class().map(str::to_owned))
    }

    fn agent(&self, node: &str) -> PartialAgentPod {
        decoded(json!({
            "metadata": {"name": format!("agent-{node}"), "uid": self.agents[node], "resourceVersion": self.version()},
            "spec": {"nodeName": node, "serviceAccountName": "entropool-agent"},
        }))
    }

    fn driver(&self) -> PartialCsiDriver {
        let metadata = json!({"name": CSI_DRIVER, "resourceVersion": self.version()});
        decoded(json!({"metadata": metadata, "spec": {"podInfoOnMount": true}}))
    }

    fn record(&mut self, object: Object, deleted: bool) {
        self.log.push(Entry { object, deleted });
    }

    pub(crate) fn add_node(&mut self, name: &str) {
        self.revision += 1;
        self.nodes.insert(name.to_owned(), NodeObject::default());
        self.agents.insert(name.to_owned(), format!("uid-{name}"));
        self.record(Object::Node(self.node(name)), false);
        self.record(Object::Agent(self.agent(name)), false);
    }

    /// Creates a pool or replaces its spec.
    pub(crate) fn write_pool(&mut self, name: &str, spec: Value) {
        self.revision += 1;
        let before = self.pools.get(name);
        let object = manifest("EntropyPool", name, spec, self.revision, before.map(|it| it.metadata.clone()));
        let mut pool: EntropyPool = decoded(object);
        pool.status = before.and_then(|it| it.status.clone());
        self.pools.insert(name.to_owned(), pool.clone());
        self.record(Object::Pool(Box::new(pool)), false);
    }

    pub(crate) fn write_class(&mut self, name: &str, spec: Value) {
        self.revision += 1;
        let before = self.classes.get(name);
        let object =
            manifest("EntropyClass", name, spec, self.revision, before.map(|it| it.metadata.clone()));
        let mut class: EntropyClass = decoded(object);
        class.status = before.and_then(|it| it.status.clone());
        self.classes.insert(name.to_owned(), class.clone());
        self.record(Object::Class(Box::new(class)), false);
    }

    pub(crate) fn delete_class(&mut self, name: &str) {
        if let Some(mut class) = self.classes.remove(name) {
            self.revision += 1;
            class.metadata.resource_version = Some(self.version());
            self.record(Object::Class(Box::new(class)), true);
        }
    }

    /// Writes a status that was computed from the object as of a version, unless that is not the newest any more.
    pub(crate) fn write_pool_status(
        &mut self,
        read: &EntropyPool,
        status: api::EntropyPoolStatus,
    ) -> Result<EntropyPool, Conflict> {
        let name = read.metadata.name.as_deref().unwrap_or_default();
        let current = self.pools.get_mut(name).ok_or(Conflict)?;
        if current.metadata.resource_version != read.metadata.resource_version {
            return Err(Conflict);
        }
        self.revision += 1;
        current.metadata.resource_version = Some(self.revision.to_string());
        current.status = Some(status);
        let written = current.clone();
        self.record(Object::Pool(Box::new(written.clone())), false);
        Ok(written)
    }

    pub(crate) fn write_class_status(
        &mut self,
        read: &EntropyClass,
        status: api::EntropyClassStatus,
    ) -> Result<EntropyClass, Conflict> {
        let name = read.metadata.name.as_deref().unwrap_or_default();
        let current = self.classes.get_mut(name).ok_or(Conflict)?;
        if current.metadata.resource_version != read.metadata.resource_version {
            return Err(Conflict);
        }
        self.revision += 1;
        current.metadata.resource_version = Some(self.revision.to_string());
        current.status = Some(status);
        let written = current.clone();
        self.record(Object::Class(Box::new(written.clone())), false);
        Ok(written)
    }

    /// Applies merge patches of a node.
    pub(crate) fn patch_node(&mut self, name: &str, metadata: Option<&Value>, status: Option<&Value>) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        let labels = metadata.map(|patch| &patch["metadata"]["labels"]);
        let capacity = status.map(|patch| &patch["status"]["capacity"]);
        merge(&mut node.labels, labels);
        merge(&mut node.capacity, capacity);
        self.revision += 1;
        self.record(Object::Node(self.node(name)), false);
    }

    /// A pod was created or edited.
    pub(crate) fn put_pod(&mut self, pod: Pod) {
        self.revision += 1;
        let before = self.pods.insert(pod.uid().to_owned(), pod.clone());
        if is_labelled(&pod) {
            self.record(self.vm_object(&pod), false);
        } else if let Some(before) = before.filter(is_labelled) {
            self.record(self.vm_object(&before), true);
        }
    }

    pub(crate) fn remove_pod(&mut self, uid: &str) {
        let Some(pod) = self.pods.remove(uid) else { return };
        self.revision += 1;
        if is_labelled(&pod) {
            self.record(self.vm_object(&pod), true);
        }
    }

    pub(crate) fn record_first(&mut self) {
        self.record(Object::Driver(self.driver()), false);
        for name in self.namespaces.clone() {
            self.record(Object::Namespace(self.namespace(&name)), false);
        }
    }

    pub(crate) fn back_up(&mut self) {
        let (pools, classes) = (self.pools.clone(), self.classes.clone());
        self.backup = Some(Backup { revision: self.revision, pools, classes });
    }

    /// Pools and classes are what they were at the backup, and so is the version; false if there is no backup. Every watch
    /// ends.
    pub(crate) fn restore(&mut self) -> bool {
        let Some(Backup { revision, pools, classes }) = self.backup.take() else { return false };
        (self.revision, self.pools, self.classes) = (revision, pools, classes);
        self.epoch += 1;
        self.log.clear();
        true
    }
}

fn is_labelled(pod: &Pod) -> bool {
    pod.value["metadata"]["labels"][VM_LABEL] == VM_TRUE
}

fn merge(map: &mut BTreeMap<String, String>, patch: Option<&Value>) {
    for (key, value) in patch.and_then(Value::as_object).into_iter().flatten() {
        match value.as_str() {
            Some(text) => drop(map.insert(key.clone(), text.to_owned())),
            None => drop(map.remove(key)),
        }
    }
}

fn manifest(
    kind: &str,
    name: &str,
    spec: Value,
    revision: u64,
    before: Option<kube::core::ObjectMeta>,
) -> Value {
    let generation = before.as_ref().and_then(|it| it.generation).unwrap_or_default() + 1;
    let uid = before.and_then(|it| it.uid).unwrap_or_else(|| format!("{name}-{revision}"));
    json!({
        "apiVersion": "entropool.io/v1alpha1", "kind": kind,
        "metadata": {
            "name": name, "uid": uid, "generation": generation, "resourceVersion": revision.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": spec,
    })
}

/// Whether the API server would call the controller about a new pod.
pub(crate) fn calls_webhook(pod: &Value) -> bool {
    let launcher = pod["metadata"]["labels"]["kubevirt.io"] == "virt-launcher";
    let names_a_pool = pod["metadata"]["annotations"][POOL_ANNOTATION].is_string();
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    (launcher && names_a_pool) || volumes.into_iter().any(|volume| volume["csi"]["driver"] == CSI_DRIVER)
}
