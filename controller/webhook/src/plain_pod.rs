//! The hook for all other pods with a volume of ours: such a pod asks for a slot of its class as a launcher pod does, so that
//! the scheduler counts it and a `ResourceQuota` is a namespace's share.

use api::names::{BOUND_ANNOTATION, CLASS_ANNOTATION, CSI_DRIVER, POOL_ANNOTATION, VM_LABEL, VM_TRUE};
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::patch::Patch;
use crate::pool_index::{ClassSlot, Requested, with_resource};
use crate::review::{AdmissionDecision, Cluster};

pub(crate) fn mutate(
    pod: &Value,
    namespace: &str,
    cluster: &Cluster<'_>,
) -> Result<AdmissionDecision, Denial> {
    let mut volumes = our_volumes(pod);
    let Some((index, volume)) = volumes.next() else { return Ok(AdmissionDecision::unchanged()) };
    if volumes.next().is_some() {
        return Err(Denial::TwoVolumes);
    }
    let attributes = &volume["csi"]["volumeAttributes"];
    let pool = attributes[POOL_ANNOTATION].as_str().filter(|pool| !pool.is_empty()).ok_or(Denial::NoPool)?;
    let requested = Requested { pool, class: attributes[CLASS_ANNOTATION].as_str() };
    let slot = cluster.pools.find(&requested, namespace)?;
    let mut patch = Patch::default();
    // The slot is of the class that is the default now, and so is the volume, also if another one is by then.
    if let (Some(class), None) = (&slot.class, requested.class) {
        let attributes = format!("/spec/volumes/{index}/csi/volumeAttributes");
        patch.entry(pod, &attributes, CLASS_ANNOTATION, class);
    }
    request_slot(pod, &slot, &mut patch);
    patch.entry(pod, "/metadata/labels", VM_LABEL, VM_TRUE);
    patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound(&slot));
    let warnings = cluster.warning(&slot).into_iter().collect();
    Ok(AdmissionDecision::Allowed { patch, warnings })
}

/// The volumes of our driver, with their places in the list.
pub(crate) fn our_volumes(pod: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten().enumerate();
    volumes.filter(|(_, volume)| volume["csi"]["driver"] == CSI_DRIVER)
}

/// The scheduler adds up all containers, so it does not matter which one asks.
fn request_slot(pod: &Value, slot: &ClassSlot, patch: &mut Patch) {
    let Some(resource) = &slot.resource else { return };
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.iter().any(|container| requests(container, resource)) {
        return;
    }
    if let Some(first) = containers.first() {
        patch.set("/spec/containers/0/resources", &with_resource(&first["resources"], resource));
    }
}

/// Whether a container asks for a slot, or several. A quantity that is no plain number, such as "1k", is another's doing and
/// is replaced.
fn requests(container: &Value, resource: &str) -> bool {
    let requested = &container["resources"]["requests"][resource];
    let count = requested.as_u64().or_else(|| requested.as_str()?.parse().ok());
    count.is_some_and(|count| count > 0)
}

fn bound(slot: &ClassSlot) -> String {
    json!({"pool": slot.pool, "class": slot.class}).to_string()
}
