//! The hooks for `VirtualMachine`s and `VirtualMachineInstance`s: an instance gets its random number generator, and
//! an object whose launcher pod would be rejected is rejected at once.

use api::names::POOL_ANNOTATION;
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::injection_method::{InjectionMethod, SIDECARS, has_sidecar, with_sidecar};
use crate::patch::Patch;
use crate::pool_index::{Requested, annotation};
use crate::review::{AdmissionDecision, AdmissionRequest, Cluster};

const MISPLACED: &str = "annotation entropool.io/pool has no effect on a VirtualMachine itself: write it under \
                         spec.template.metadata.annotations";

/// Adds the device to an instance, and the sidecar if the cluster needs it.
pub(crate) fn mutate(
    instance: &Value,
    namespace: &str,
    cluster: &Cluster<'_>,
) -> Result<AdmissionDecision, Denial> {
    let metadata = &instance["metadata"];
    let Some(requested) = Requested::of(metadata)? else { return Ok(AdmissionDecision::unchanged()) };
    cluster.pools.find(&requested, namespace)?;
    let mut patch = Patch::default();
    match cluster.injection {
        InjectionMethod::Plugin => {}
        InjectionMethod::Sidecar { .. } if has_sidecar(metadata)? => {}
        InjectionMethod::Sidecar { image, .. } => {
            patch.entry(instance, "/metadata/annotations", SIDECARS, &with_sidecar(metadata, image)?);
        }
        InjectionMethod::None(why) => return Err(Denial::NoInjectionMethod(why.clone())),
    }
    add_device(instance, &mut patch);
    Ok(AdmissionDecision::Allowed { patch, warnings: Vec::new() })
}

/// Adds `devices.rng: {}`, so that `KubeVirt` assigns the device an address.
fn add_device(instance: &Value, patch: &mut Patch) {
    const DEVICES: &str = "/spec/domain/devices";
    match instance.pointer(DEVICES) {
        Some(devices) if !devices["rng"].is_null() => {}
        Some(Value::Object(_)) => patch.set(&format!("{DEVICES}/rng"), &json!({})),
        // KubeVirt's own webhook rejects an instance without a domain.
        _ if instance.pointer("/spec/domain").is_some_and(Value::is_object) => {
            patch.set(DEVICES, &json!({"rng": {}}));
        }
        _ => {}
    }
}

/// Rejects an object whose launcher pod would be rejected.
pub(crate) fn validate(
    request: &AdmissionRequest,
    cluster: &Cluster<'_>,
) -> Result<AdmissionDecision, Denial> {
    let Some(object) = &request.object else { return Ok(AdmissionDecision::unchanged()) };
    // A deleted object is edited only to remove its finalizers.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok(AdmissionDecision::unchanged());
    }
    let metadata = template(object);
    let requested = Requested::of(metadata)?;
    // An object may be edited in other respects even if its pool has been deleted since.
    let before = request.old_object.as_ref().map(|old| Requested::of(template(old)));
    let mut warnings = misplaced(object, metadata);
    let allowed = |warnings| Ok(AdmissionDecision::Allowed { patch: Patch::default(), warnings });
    let Some(requested) = requested.filter(|requested| before != Some(Ok(Some(requested.clone())))) else {
        return allowed(warnings);
    };
    let slot = cluster.pools.find(&requested, &request.namespace)?;
    if let InjectionMethod::None(why) = cluster.injection {
        return Err(Denial::NoInjectionMethod(why.clone()));
    }
    // Here and not only on the launcher pod: a controller creates that, so no user would read the warning.
    warnings.extend(cluster.warning(&slot));
    allowed(warnings)
}

/// The metadata that the launcher pod inherits: those of a `VirtualMachine`'s template, or a
/// `VirtualMachineInstance`'s own.
fn template(object: &Value) -> &Value {
    match object["kind"].as_str() {
        Some("VirtualMachine") => &object["spec"]["template"]["metadata"],
        _ => &object["metadata"],
    }
}

fn misplaced(object: &Value, metadata: &Value) -> Vec<String> {
    let on_itself = annotation(&object["metadata"], POOL_ANNOTATION).is_some();
    let on_template = annotation(metadata, POOL_ANNOTATION).is_some();
    if on_itself && !on_template { vec![MISPLACED.to_owned()] } else { Vec::new() }
}
