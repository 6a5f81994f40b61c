//! A `VirtualMachine` or `VirtualMachineInstance` is told at once what would keep it from starting.

use api::names::POOL_ANNOTATION;
use serde_json::Value;

use crate::patch::Patch;
use crate::refusal::Refusal;
use crate::review::{Asked, Cluster, Verdict};
use crate::way::Way;
use crate::wish::{Wish, annotation};

const MISPLACED: &str = "annotation entropool.io/pool on a VirtualMachine itself does nothing: write it under \
                         spec.template.metadata.annotations";

pub(crate) fn validate(asked: &Asked, cluster: &Cluster<'_>) -> Result<Verdict, Refusal> {
    let Some(object) = &asked.object else { return Ok(Verdict::unchanged()) };
    // An object on its way out is only losing its finalizers.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Verdict::unchanged());
    }
    let metadata = template(object);
    let wish = Wish::of(metadata)?;
    // What was good when it was written may be edited in other respects, whatever has become of its pool.
    let before = asked.old_object.as_ref().map(|old| Wish::of(template(old)));
    let mut warnings = misplaced(object, metadata);
    let allowed = |warnings| Ok(Verdict::Allowed { patch: Patch::default(), warnings });
    let Some(wish) = wish.filter(|wish| before != Some(Ok(Some(wish.clone())))) else {
        return allowed(warnings);
    };
    let place = cluster.catalogue.find(&wish, &asked.namespace)?;
    if let Way::None(why) = cluster.way {
        return Err(Refusal::NoWay(why.clone()));
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
