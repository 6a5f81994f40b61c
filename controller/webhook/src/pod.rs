//! A `virt-launcher` pod gets the volume with its socket, and goes where there is a place for it.

use api::names::{
    BOUND_ANNOTATION, CLASS_ANNOTATION, CLIENT_ATTRIBUTE, CSI_DRIVER, POD_DIRECTORY, POOL_ANNOTATION,
    VM_LABEL, VM_TRUE,
};
use serde_json::{Value, json};

use crate::affinity;
use crate::denial::Denial;
use crate::injection_method::InjectionMethod;
use crate::patch::Patch;
use crate::pool_index::ClassSlot;
use crate::requested::{Requested, annotation};
use crate::review::{Cluster, Decision};
use crate::sidecar;

/// The volume's name in the pod.
const VOLUME: &str = "entropool";
/// The container that QEMU runs in.
const COMPUTE: &str = "compute";
/// A pod that lives only until a volume is bound has no VM in it.
const PROVISIONING: &str = "kubevirt.io/ephemeral-provisioning";

pub(crate) fn mutate(pod: &Value, namespace: &str, cluster: &Cluster<'_>) -> Result<Decision, Denial> {
    let metadata = &pod["metadata"];
    let launcher = metadata["labels"]["kubevirt.io"] == "virt-launcher";
    if !launcher || annotation(metadata, PROVISIONING) == Some("true") {
        return Ok(Decision::unchanged());
    }
    let Some(wish) = Requested::of(metadata)? else { return Ok(Decision::unchanged()) };
    let place = cluster.pools.find(&wish, namespace)?;
    connected(metadata, cluster.injection)?;
    let mut patch = Patch::default();
    volume(pod, &place, &mut patch)?;
    compute(pod, &place, &mut patch)?;
    if let Some(affinity) = affinity::with_agent(&pod["spec"]["affinity"]) {
        patch.set("/spec/affinity", &affinity);
    }
    patch.entry(pod, "/metadata/labels", VM_LABEL, VM_TRUE);
    patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound(&place, cluster.injection));
    let warnings = cluster.warning(&place).into_iter().collect();
    Ok(Decision::Allowed { patch, warnings })
}

/// A pod with the socket and a domain that does not ask it would be a promise that nobody keeps.
fn connected(metadata: &Value, way: &InjectionMethod) -> Result<(), Denial> {
    match way {
        InjectionMethod::Plugin => Ok(()),
        InjectionMethod::Sidecar { .. } if sidecar::asked(metadata)? => Ok(()),
        InjectionMethod::Sidecar { .. } => Err(Denial::NoSidecar),
        InjectionMethod::None(why) => Err(Denial::NoInjectionMethod(why.clone())),
    }
}

fn volume(pod: &Value, place: &ClassSlot, patch: &mut Patch) -> Result<(), Denial> {
    let mut attributes = json!({POOL_ANNOTATION: place.pool, CLIENT_ATTRIBUTE: "qemu"});
    if let Some(class) = &place.class {
        attributes[CLASS_ANNOTATION] = json!(class);
    }
    let csi = json!({"driver": CSI_DRIVER, "readOnly": true, "volumeAttributes": attributes});
    match named(&pod["spec"]["volumes"], VOLUME) {
        None => patch.append(pod, "/spec/volumes", &json!({"name": VOLUME, "csi": csi})),
        Some(volume) if volume["csi"] == csi => {}
        Some(_) => return Err(Denial::Taken { what: "a volume named entropool" }),
    }
    Ok(())
}

fn compute(pod: &Value, place: &ClassSlot, patch: &mut Patch) -> Result<(), Denial> {
    let containers = pod["spec"]["containers"].as_array();
    let at = containers.and_then(|all| all.iter().position(|container| container["name"] == COMPUTE));
    let at = format!("/spec/containers/{}", at.ok_or(Denial::NoCompute)?);
    let container = pod.pointer(&at).unwrap_or(&Value::Null);
    let mount = json!({"name": VOLUME, "mountPath": POD_DIRECTORY, "readOnly": true});
    let mounts = container["volumeMounts"].as_array();
    match mounts.and_then(|all| all.iter().find(|mount| mount["mountPath"] == POD_DIRECTORY)) {
        None => patch.append(pod, &format!("{at}/volumeMounts"), &mount),
        Some(found) if *found == mount => {}
        Some(_) => return Err(Denial::Taken { what: "something mounted at /run/entropool" }),
    }
    if let Some(resource) = &place.resource {
        let resources = with_resource(&container["resources"], resource);
        if resources != container["resources"] {
            patch.set(&format!("{at}/resources"), &resources);
        }
    }
    Ok(())
}

/// One place of the class. Of a resource that is counted, a pod has to ask for as much as it may have at most.
fn with_resource(resources: &Value, resource: &str) -> Value {
    let mut resources = if resources.is_object() { resources.clone() } else { json!({}) };
    resources["requests"][resource] = json!("1");
    resources["limits"][resource] = json!("1");
    resources
}

/// What a user looks at who wants to know what came of the annotation.
fn bound(place: &ClassSlot, way: &InjectionMethod) -> String {
    json!({"pool": place.pool, "class": place.class, "way": way.name()}).to_string()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item["name"] == name)
}
