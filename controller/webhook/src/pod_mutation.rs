//! The hook for `virt-launcher` pods: a pod gets the volume with its socket, a slot of its class, and a node with a
//! ready agent.

use api::names::{
    AGENT_LABEL, AGENT_READY, BOUND_ANNOTATION, CLASS_ANNOTATION, CLIENT_ATTRIBUTE, CSI_DRIVER,
    POD_DIRECTORY, POOL_ANNOTATION, VM_LABEL, VM_TRUE,
};
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::injection_method::{InjectionMethod, PROGRAM, has_sidecar};
use crate::patch::Patch;
use crate::plain_pod;
use crate::pool_index::{ClassSlot, Requested, annotation, with_resource};
use crate::review::{AdmissionDecision, Cluster};

/// The name of the volume in the pod.
const VOLUME: &str = "entropool";
/// The container in which QEMU runs.
const COMPUTE: &str = "compute";
/// Set on a pod that exists only until a volume is bound; no VM runs in it.
const PROVISIONING: &str = "kubevirt.io/ephemeral-provisioning";

pub(crate) fn mutate(
    pod: &Value,
    namespace: &str,
    cluster: &Cluster<'_>,
) -> Result<AdmissionDecision, Denial> {
    let metadata = &pod["metadata"];
    let launcher = metadata["labels"]["kubevirt.io"] == "virt-launcher";
    let requested = if launcher && annotation(metadata, PROVISIONING) != Some("true") {
        Requested::of(metadata)?
    } else {
        None
    };
    let Some(requested) = requested else { return plain_pod::mutate(pod, namespace, cluster) };
    if plain_pod::our_volumes(pod).any(|(_, volume)| volume["name"] != VOLUME) {
        return Err(Denial::TwoVolumes);
    }
    let slot = cluster.pools.find(&requested, namespace)?;
    check_injection(metadata, cluster.injection)?;
    let mut patch = Patch::default();
    add_volume(pod, &slot, &mut patch)?;
    add_mount_and_slot(pod, &slot, &mut patch)?;
    if let InjectionMethod::Sidecar { image, resources } = cluster.injection {
        update_sidecars(pod, image, resources, &mut patch);
    }
    if let Some(affinity) = with_agent_affinity(&pod["spec"]["affinity"]) {
        patch.set("/spec/affinity", &affinity);
    }
    patch.entry(pod, "/metadata/labels", VM_LABEL, VM_TRUE);
    patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound(&slot, cluster.injection));
    let warnings = cluster.warning(&slot).into_iter().collect();
    Ok(AdmissionDecision::Allowed { patch, warnings })
}

/// Rejects a pod that would have the socket and a domain that does not use it.
fn check_injection(metadata: &Value, injection: &InjectionMethod) -> Result<(), Denial> {
    match injection {
        InjectionMethod::Plugin => Ok(()),
        InjectionMethod::Sidecar { .. } if has_sidecar(metadata)? => Ok(()),
        InjectionMethod::Sidecar { .. } => Err(Denial::NoSidecar),
        InjectionMethod::None(why) => Err(Denial::NoInjectionMethod(why.clone())),
    }
}

fn add_volume(pod: &Value, slot: &ClassSlot, patch: &mut Patch) -> Result<(), Denial> {
    let mut attributes = json!({POOL_ANNOTATION: slot.pool, CLIENT_ATTRIBUTE: "qemu"});
    if let Some(class) = &slot.class {
        attributes[CLASS_ANNOTATION] = json!(class);
    }
    let csi = json!({"driver": CSI_DRIVER, "readOnly": true, "volumeAttributes": attributes});
    match named(&pod["spec"]["volumes"], VOLUME) {
        None => patch.append(pod, "/spec/volumes", &json!({"name": VOLUME, "csi": csi})),
        Some(volume) if volume["csi"] == csi => {}
        Some(_) => return Err(Denial::NameTaken { object: "a volume entropool" }),
    }
    Ok(())
}

fn add_mount_and_slot(pod: &Value, slot: &ClassSlot, patch: &mut Patch) -> Result<(), Denial> {
    let containers = pod["spec"]["containers"].as_array();
    let index = containers.and_then(|all| all.iter().position(|container| container["name"] == COMPUTE));
    let pointer = format!("/spec/containers/{}", index.ok_or(Denial::NoCompute)?);
    let container = pod.pointer(&pointer).unwrap_or(&Value::Null);
    let mount = json!({"name": VOLUME, "mountPath": POD_DIRECTORY, "readOnly": true});
    let mounts = container["volumeMounts"].as_array();
    match mounts.and_then(|all| all.iter().find(|mount| mount["mountPath"] == POD_DIRECTORY)) {
        None => patch.append(pod, &format!("{pointer}/volumeMounts"), &mount),
        Some(found) if *found == mount => {}
        Some(_) => return Err(Denial::NameTaken { object: "a mount at /run/entropool" }),
    }
    if let Some(resource) = &slot.resource {
        let resources = with_resource(&container["resources"], resource);
        if resources != container["resources"] {
            patch.set(&format!("{pointer}/resources"), &resources);
        }
    }
    Ok(())
}

/// Gives our sidecars the current image, which the node has, and their requests and limits: a namespace with a quota
/// accepts no container without. Of a resource that `KubeVirt` or a `LimitRange` has set a figure for, they keep it.
fn update_sidecars(pod: &Value, image: &str, resources: &Value, patch: &mut Patch) {
    let containers = pod["spec"]["containers"].as_array();
    for (index, container) in containers.into_iter().flatten().enumerate() {
        if container["command"][0] != PROGRAM {
            continue;
        }
        let pointer = format!("/spec/containers/{index}");
        if container["image"] != image {
            patch.set(&format!("{pointer}/image"), &json!(image));
        }
        let own = &container["resources"];
        let mut with = if own.is_object() { own.clone() } else { json!({}) };
        for part in ["requests", "limits"] {
            for (resource, quantity) in resources[part].as_object().into_iter().flatten() {
                if own["requests"][resource].is_null() && own["limits"][resource].is_null() {
                    with[part][resource] = quantity.clone();
                }
            }
        }
        if with != *own && with != json!({}) {
            patch.set(&format!("{pointer}/resources"), &with);
        }
    }
}

/// The pod's affinity with a ready agent required, since the scheduler does not check whether a node has the CSI
/// driver; `None` if the affinity requires it already.
fn with_agent_affinity(affinity: &Value) -> Option<Value> {
    let mut affinity = if affinity.is_object() { affinity.clone() } else { json!({}) };
    let required = &mut affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = &mut required["nodeSelectorTerms"];
    let expression = json!({"key": AGENT_LABEL, "operator": "In", "values": [AGENT_READY]});
    if terms.as_array().is_none_or(Vec::is_empty) {
        *terms = json!([{"matchExpressions": [expression]}]);
        return Some(affinity);
    }
    let mut changed = false;
    // The scheduler accepts a node that matches any one term, so each term needs the expression.
    for term in terms.as_array_mut().into_iter().flatten() {
        let expressions = &mut term["matchExpressions"];
        if !expressions.is_array() {
            *expressions = json!([]);
        }
        let expressions = expressions.as_array_mut().expect("it was made an array above");
        if !expressions.contains(&expression) {
            expressions.push(expression.clone());
            changed = true;
        }
    }
    changed.then_some(affinity)
}

/// The annotation that shows users the pool and class that the pod got.
fn bound(slot: &ClassSlot, injection: &InjectionMethod) -> String {
    json!({"pool": slot.pool, "class": slot.class, "injection": injection.as_str()}).to_string()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item["name"] == name)
}
