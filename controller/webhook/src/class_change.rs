//! A launcher pod that is edited while its VM runs: another class is a move, another pool cannot be had.

use api::names::{BOUND_ANNOTATION, POOL_ANNOTATION};
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::patch::Patch;
use crate::pool_index::ClassSlot;
use crate::requested::{Requested, annotation};
use crate::review::{AdmissionRequest, Cluster, Decision};

/// Judges what was written, before the VM's agent hears of it, and keeps what the pod says of itself true.
pub(crate) fn review(
    asked: &AdmissionRequest,
    old: &Value,
    cluster: &Cluster<'_>,
) -> Result<Decision, Denial> {
    let pod = asked.object.as_ref().unwrap_or(&Value::Null);
    let (metadata, before) = (&pod["metadata"], &old["metadata"]);
    let Some(drawn) = annotation(before, POOL_ANNOTATION).filter(|_| runs(pod)) else {
        return Ok(Decision::unchanged());
    };
    let Some(wish) = Requested::of(metadata)?.filter(|wish| wish.pool == drawn) else {
        return Err(Denial::AnotherPool { pool: drawn.to_owned() });
    };
    // Without the annotation a VM stays where it is.
    if wish.class.is_none() || Requested::of(before).is_ok_and(|before| before.as_ref() == Some(&wish)) {
        return Ok(Decision::unchanged());
    }
    let place = cluster.pools.find(&wish, &asked.namespace)?;
    let ClassSlot { pool, class, resource } = &place;
    if let (Some(class), Some(_)) = (class, resource)
        && (cluster.full)(&place, pod["spec"]["nodeName"].as_str())
    {
        return Err(Denial::Full { class: class.clone(), pool: pool.clone() });
    }
    let mut patch = Patch::default();
    if let Some(bound) = bound(metadata, class.as_deref()) {
        patch.entry(pod, "/metadata/annotations", BOUND_ANNOTATION, &bound);
    }
    Ok(Decision::Allowed { patch, warnings: Vec::new() })
}

/// Whether there is a VM to move. On its way out a pod is only losing its finalizers.
fn runs(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
}

/// What the pod says came of its annotations, with the class that it is to have now.
fn bound(metadata: &Value, class: Option<&str>) -> Option<String> {
    let mut bound: Value = serde_json::from_str(annotation(metadata, BOUND_ANNOTATION)?).ok()?;
    *bound.get_mut("class")? = json!(class);
    Some(bound.to_string())
}
