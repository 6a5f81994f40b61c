//! A `virt-launcher` pod gets the volume with its socket, and goes where there is a place for it.

use api::names::{
    BOUND_ANNOTATION, CLASS_ANNOTATION, CLIENT_ATTRIBUTE, CSI_DRIVER, POD_DIRECTORY, POOL_ANNOTATION,
    VM_LABEL, VM_TRUE,
};
use serde_json::{Value, json};

use crate::affinity;
use crate::catalogue::Place;
use crate::patch::Patch;
use crate::refusal::Refusal;
use crate::review::{Cluster, Verdict};
use crate::sidecar;
use crate::way::Way;
use crate::wish::{Wish, annotation};

/// The volume's name in the pod.
const VOLUME: &str = "entropool";
/// The container that QEMU runs in.
const COMPUTE: &str = "compute";
/// A pod that lives only until a volume is bound has no VM in it.
const PROVISIONING: &str = "kubevirt.io/ephemeral-provisioning";

pub(crate) fn mutate(pod: &Value, namespace: &str, cluster: &Cluster<'_>) -> Result<Verdict, Refusal> {
    let metadata = &pod["metadata"];
    let launcher = metadata["labels"]["kubevirt.io"] == "virt-launcher";
    if !launcher || annotation(metadata, PROVISIONING) == Some("true") {
        return Ok(Verdict::unchanged());
    }
    let Some(wish) = Wish::of(metadata)? else { return Ok(Verdict::unchanged()) };
    let place = cluster.catalogue.find(&wish, namespace)?;
    connected(metadata, cluster.way)?;
    let mut patch = Patch::default();
    volume(pod, &place, &mut patch)?;
    compute(pod, &place, &mut patch)?;
    if let Some(affinity) = affinity::with_agent(&pod["spec"]["affinity"]) {
        patch.set("/spec/affinity", &affinity);
    }
    patch.entry(pod, "/metadata/labels", VM_LABEL, VM_TRUE);
    patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound(&place, cluster.way));
    let warnings = cluster.warning(&place).into_iter().collect();
    Ok(Verdict::Allowed { patch, warnings })
}

/// A pod with the socket and a domain that does not ask it would be a promise that nobody keeps.
fn connected(metadata: &Value, way: &Way) -> Result<(), Refusal> {
    match way {
        Way::Plugin => Ok(()),
        Way::Sidecar { .. } if sidecar::asked(metadata)? => Ok(()),
        Way::Sidecar { .. } => Err(Refusal::NoSidecar),
        Way::None(why) => Err(Refusal::NoWay(why.clone())),
    }
}

fn volume(pod: &Value, place: &Place, patch: &mut Patch) -> Result<(), Refusal> {
    let mut attributes = json!({POOL_ANNOTATION: place.pool, CLIENT_ATTRIBUTE: "qemu"});
    if let Some(class) = &place.class {
        attributes[CLASS_ANNOTATION] = json!(class);
    }
    let csi = json!({"driver": CSI_DRIVER, "readOnly": true, "volumeAttributes": attributes});
    match named(&pod["spec"]["volumes"], VOLUME) {
        None => patch.append(pod, "/spec/volumes", &json!({"name": VOLUME, "csi": csi})),
        Some(volume) if volume["csi"] == csi => {}
        Some(_) => return Err(Refusal::Taken { what: "a volume named entropool" }),
    }
    Ok(())
}

fn compute(pod: &Value, place: &Place, patch: &mut Patch) -> Result<(), Refusal> {
    let containers = pod["spec"]["containers"].as_array();
    let at = containers.and_then(|all| all.iter().position(|container| container["name"] == COMPUTE));
    let at = format!("/spec/containers/{}", at.ok_or(Refusal::NoCompute)?);
    let container = pod.pointer(&at).unwrap_or(&Value::Null);
    let mount = json!({"name": VOLUME, "mountPath": POD_DIRECTORY, "readOnly": true});
    let mounts = container["volumeMounts"].as_array();
    match mounts.and_then(|all| all.iter().find(|mount| mount["mountPath"] == POD_DIRECTORY)) {
        None => patch.append(pod, &format!("{at}/volumeMounts"), &mount),
        Some(found) if *found == mount => {}
        Some(_) => return Err(Refusal::Taken { what: "something mounted at /run/entropool" }),
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
fn bound(place: &Place, way: &Way) -> String {
    json!({"pool": place.pool, "class": place.class, "way": way.name()}).to_string()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item["name"] == name)
}
