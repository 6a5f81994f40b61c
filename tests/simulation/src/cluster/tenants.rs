//! Tenants: they create pods in every way that they may, edit and delete them. What the API server does with that:
//! webhooks, the policy for pods, and quotas.

use api::names::{
    BOUND_ANNOTATION, CLASS_ANNOTATION, CLIENT_ATTRIBUTE, CSI_DRIVER, POOL_ANNOTATION, VM_LABEL,
    class_resource,
};
use clock::Tick;
use delivery::Admission;
use serde_json::{Value, json};
use soak::Rng;
use webhook::{AdmissionDecision, ClassSlot, Hook, InjectionMethod, PoolIndex, answer};

use super::api_server::{ApiServer, calls_webhook};
use super::mutation::ClusterMutation;
use super::pod::Pod;
use super::replica::Replica;

pub(crate) const CLASSES: [&str; 3] = ["gold", "silver", "bronze"];

/// A pod as its author writes it.
pub(crate) fn written(dice: &mut Rng, namespace: &str, uid: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": uid, "namespace": namespace, "uid": uid},
        "spec": {"containers": [{"name": "compute", "image": "none"}]},
    });
    if dice.once_in(2) {
        pod["metadata"]["labels"] = json!({"kubevirt.io": "virt-launcher"});
        pod["metadata"]["annotations"] = json!({POOL_ANNOTATION: "default"});
        if !dice.once_in(3) {
            pod["metadata"]["annotations"][CLASS_ANNOTATION] = json!(dice.pick(&CLASSES));
        }
    } else {
        let mut attributes = json!({POOL_ANNOTATION: "default"});
        if !dice.once_in(3) {
            attributes[CLASS_ANNOTATION] = json!(dice.pick(&CLASSES));
        }
        if dice.once_in(3) {
            // As our webhook writes it.
            attributes[CLIENT_ATTRIBUTE] = json!("qemu");
        }
        let csi = json!({"driver": CSI_DRIVER, "readOnly": true, "volumeAttributes": attributes});
        let volumes = if dice.once_in(12) { 2 } else { 1 };
        pod["spec"]["volumes"] =
            (0..volumes).map(|at| json!({"name": format!("v{at}"), "csi": csi})).collect();
    }
    forge(dice, &mut pod);
    pod
}

/// Claims that are not its author's to make.
fn forge(dice: &mut Rng, pod: &mut Value) {
    match dice.below(8) {
        0 => pod["metadata"]["labels"][VM_LABEL] = json!("false"),
        1 => pod["metadata"]["annotations"][BOUND_ANNOTATION] = json!("{}"),
        2 => pod["metadata"]["annotations"][CLASS_ANNOTATION] = json!(dice.pick(&CLASSES)),
        3 => {
            let class: &str = dice.pick::<&str>(&CLASSES);
            let resource = class_resource(class);
            let quantity = *dice.pick(&["0", "1", "1k", "none"]);
            pod["spec"]["containers"][0]["resources"] =
                json!({"requests": {resource.clone(): quantity}, "limits": {resource: quantity}});
        }
        _ => {}
    }
}

/// What a tenant's call meets on its way.
pub(crate) struct Admissions<'a> {
    pub(crate) now: Tick,
    pub(crate) replicas: &'a [Replica],
    pub(crate) plant: Option<ClusterMutation>,
}

impl Admissions<'_> {
    /// Stores a new pod if it is admitted.
    pub(crate) fn create(&self, api: &mut ApiServer, dice: &mut Rng, mut value: Value) -> bool {
        let is_plain = value["metadata"]["labels"]["kubevirt.io"] != "virt-launcher";
        let unasked = self.plant == Some(ClusterMutation::UnaskedPlainPods) && is_plain;
        let mut counted = None;
        if calls_webhook(&value) && !unasked {
            let Some(slot) = self.ask(dice, &mut value, None) else { return false };
            counted = slot;
        } else if calls_webhook(&value) {
            let class = value
                .pointer("/spec/volumes/0/csi/volumeAttributes")
                .and_then(|it| it[CLASS_ANNOTATION].as_str());
            counted = class.map(str::to_owned);
        } else if !value["metadata"]["labels"][VM_LABEL].is_null()
            || !value["metadata"]["annotations"][BOUND_ANNOTATION].is_null()
        {
            // The policy for pods.
            return false;
        }
        let pod = Pod { value, node: None, deleted: false, counted };
        // A quantity that is no number is refused by the API server, and so is a pod beyond a quota.
        let is_number = |class: &&str| {
            let quantity =
                &pod.value["spec"]["containers"][0]["resources"]["requests"][class_resource(class)];
            quantity.is_null()
                || quantity.as_u64().is_some()
                || quantity.as_str().is_some_and(|text| text.parse::<u64>().is_ok())
        };
        if !CLASSES.iter().all(|class| is_number(class)) || exceeds_quota(api, &pod) {
            return false;
        }
        api.put_pod(pod);
        true
    }

    /// Edits the annotation with the class of a pod.
    pub(crate) fn annotate(&self, api: &mut ApiServer, dice: &mut Rng, uid: &str, class: &str) -> bool {
        let Some(mut pod) = api.pods.get(uid).cloned() else { return false };
        let old = pod.value.clone();
        pod.value["metadata"]["annotations"][CLASS_ANNOTATION] = json!(class);
        let is_reviewed = pod.is_launcher() && !old["metadata"]["labels"][VM_LABEL].is_null();
        if is_reviewed && self.ask(dice, &mut pod.value, Some(&old)).is_none() {
            return false;
        }
        api.put_pod(pod);
        true
    }

    /// Asks a replica, and applies its patch; `None` if it refuses, or if there is none. Returns the class of the slot that
    /// the pod has to ask for.
    fn ask(&self, dice: &mut Rng, value: &mut Value, old: Option<&Value>) -> Option<Option<String>> {
        let serving: Vec<_> = self.replicas.iter().filter(|it| it.serves(self.now)).collect();
        if serving.is_empty() {
            return None;
        }
        let replica = *dice.pick(&serving);
        let planned = replica.state.plan.borrow().clone()?;
        let pools = PoolIndex::of(planned.plan.nodes.values().map(|config| &**config));
        let full = |slot: &ClassSlot, node: Option<&str>| {
            let class = slot.class.as_deref().unwrap_or_default();
            let reports = replica.state.node_reports();
            plan::is_full(&planned.plan, &reports, &slot.pool, class, node).unwrap_or_default()
        };
        let injection = InjectionMethod::Plugin;
        let cluster = webhook::Cluster { pools: &pools, injection: &injection, sidecar: None, full: &full };
        let mut request = json!({"uid": "r", "namespace": value["metadata"]["namespace"], "object": value});
        if let Some(old) = old {
            request["oldObject"] = old.clone();
        }
        let body = json!({"request": request}).to_string();
        let (_, decision) = answer(Hook::Pod, body.as_bytes(), &cluster).ok()?;
        let AdmissionDecision::Allowed { patch, .. } = decision else { return None };
        let patch: json_patch::Patch = serde_json::from_value(json!(patch)).ok()?;
        json_patch::patch(value, &patch).ok()?;
        let pod = Pod { value: value.clone(), node: None, deleted: false, counted: None };
        let (pool, class) = pod.volume()?;
        let class = class.map(str::to_owned);
        let config =
            planned.plan.nodes.values().flat_map(|config| &config.pools).find(|it| it.name == pool)?;
        let known = config.classes.iter().find(|it| Some(&it.name) == class.as_ref());
        let is_counted = known.is_some_and(|it| it.admission == Admission::Strict && it.max_vms.is_some());
        Some(class.filter(|_| is_counted))
    }
}

fn exceeds_quota(api: &ApiServer, pod: &Pod) -> bool {
    let beyond = |((namespace, class), hard): (&(String, String), &u64)| {
        let of_namespace = api.pods.values().filter(|it| it.namespace() == namespace);
        let used: u64 = of_namespace.map(|it| it.requests(class)).sum();
        pod.namespace() == namespace && used + pod.requests(class) > *hard
    };
    api.quotas.iter().any(beyond)
}

/// The scheduler: binds pods to nodes that have the slots that they ask for.
pub(crate) fn schedule(api: &mut ApiServer, dice: &mut Rng) -> Vec<(String, String)> {
    let waiting: Vec<String> = api
        .pods
        .values()
        .filter(|pod| pod.node.is_none() && !pod.deleted)
        .map(|pod| pod.uid().to_owned())
        .collect();
    let mut bound = Vec::new();
    for uid in waiting {
        let pod = &api.pods[&uid];
        let nodes: Vec<String> = api.nodes.keys().filter(|node| fits(api, pod, node)).cloned().collect();
        if nodes.is_empty() {
            continue;
        }
        let node = dice.pick(&nodes).clone();
        if let Some(pod) = api.pods.get_mut(&uid) {
            pod.node = Some(node.clone());
        }
        bound.push((uid, node));
    }
    bound
}

fn fits(api: &ApiServer, pod: &Pod, node: &str) -> bool {
    let capacity = &api.nodes[node].capacity;
    CLASSES.iter().all(|class| {
        let wanted = pod.requests(class);
        let here = api.pods.values().filter(|it| it.node.as_deref() == Some(node));
        let taken: u64 = here.map(|it| it.requests(class)).sum();
        let there = capacity.get(&class_resource(class)).and_then(|text| text.parse().ok()).unwrap_or(0);
        wanted == 0 || taken + wanted <= there
    })
}
