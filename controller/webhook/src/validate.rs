//! A `VirtualMachine` or `VirtualMachineInstance` is told at once what would keep it from starting.

use api::names::POOL_ANNOTATION;
use serde_json::Value;

use crate::denial::Denial;
use crate::injection_method::InjectionMethod;
use crate::patch::Patch;
use crate::requested::{Requested, annotation};
use crate::review::{AdmissionRequest, Cluster, Decision};

const MISPLACED: &str = "annotation entropool.io/pool on a VirtualMachine itself does nothing: write it under \
                         spec.template.metadata.annotations";

pub(crate) fn validate(asked: &AdmissionRequest, cluster: &Cluster<'_>) -> Result<Decision, Denial> {
    let Some(object) = &asked.object else { return Ok(Decision::unchanged()) };
    // An object on its way out is only losing its finalizers.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Decision::unchanged());
    }
    let metadata = template(object);
    let wish = Requested::of(metadata)?;
    // What was good when it was written may be edited in other respects, whatever has become of its pool.
    let before = asked.old_object.as_ref().map(|old| Requested::of(template(old)));
    let mut warnings = misplaced(object, metadata);
    let allowed = |warnings| Ok(Decision::Allowed { patch: Patch::default(), warnings });
    let Some(wish) = wish.filter(|wish| before != Some(Ok(Some(wish.clone())))) else {
        return allowed(warnings);
    };
    let place = cluster.pools.find(&wish, &asked.namespace)?;
    if let InjectionMethod::None(why) = cluster.injection {
        return Err(Denial::NoInjectionMethod(why.clone()));
    }
    // Who starts a launcher pod is no user: a warning there is read by nobody.
    warnings.extend(cluster.warning(&place));
    allowed(warnings)
}

/// The metadata that reach the launcher pod: a `VirtualMachine`'s template's, a `VirtualMachineInstance`'s own.
fn template(object: &Value) -> &Value {
    match object["kind"].as_str() {
        Some("VirtualMachine") => &object["spec"]["template"]["metadata"],
        _ => &object["metadata"],
    }
}

fn misplaced(object: &Value, metadata: &Value) -> Vec<String> {
    let on_itself = annotation(&object["metadata"], POOL_ANNOTATION).is_some();
    let named = annotation(metadata, POOL_ANNOTATION).is_some();
    if on_itself && !named { vec![MISPLACED.to_owned()] } else { Vec::new() }
}
