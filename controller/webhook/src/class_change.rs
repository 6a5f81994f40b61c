//! Reviews an edited launcher pod of a running VM: another class moves the VM, another pool is rejected.

use api::names::{BOUND_ANNOTATION, POOL_ANNOTATION};
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::patch::Patch;
use crate::pool_index::{ClassSlot, Requested, annotation};
use crate::review::{AdmissionDecision, AdmissionRequest, Cluster};

/// Rejects a class that the VM's agent would not accept, and updates the pod's annotation `entropool.io/bound`.
pub(crate) fn review(
    request: &AdmissionRequest,
    old: &Value,
    cluster: &Cluster<'_>,
) -> Result<AdmissionDecision, Denial> {
    let pod = request.object.as_ref().unwrap_or(&Value::Null);
    let (metadata, before) = (&pod["metadata"], &old["metadata"]);
    let Some(pool) = annotation(before, POOL_ANNOTATION).filter(|_| !is_deleted(pod)) else {
        return Ok(AdmissionDecision::unchanged());
    };
    let Some(requested) = Requested::of(metadata)?.filter(|requested| requested.pool == pool) else {
        return Err(Denial::AnotherPool { pool: pool.to_owned() });
    };
    // Without the annotation a VM stays in its class.
    let same = || Requested::of(before).is_ok_and(|before| before.as_ref() == Some(&requested));
    if requested.class.is_none() || same() {
        return Ok(AdmissionDecision::unchanged());
    }
    let slot = cluster.pools.find(&requested, &request.namespace)?;
    let ClassSlot { pool, class, resource } = &slot;
    if let (Some(class), Some(_)) = (class, resource)
        && (cluster.full)(&slot, pod["spec"]["nodeName"].as_str())
    {
        return Err(Denial::ClassFull { class: class.clone(), pool: pool.clone() });
    }
    let mut patch = Patch::default();
    if let Some(bound) = bound_to(before, class.as_deref()) {
        patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound);
    }
    Ok(AdmissionDecision::Allowed { patch, warnings: Vec::new() })
}

/// A deleted pod is edited only to remove its finalizers.
fn is_deleted(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// The former value of `entropool.io/bound` with another class; `None` if it cannot be read.
fn bound_to(metadata: &Value, class: Option<&str>) -> Option<String> {
    let mut bound: Value = serde_json::from_str(annotation(metadata, BOUND_ANNOTATION)?).ok()?;
    *bound.get_mut("class")? = json!(class);
    Some(bound.to_string())
}
