//! A `VirtualMachineInstance` gets the device that its domain is to have, and where need be the sidecar.

use serde_json::{Value, json};

use crate::patch::Patch;
use crate::refusal::Refusal;
use crate::review::{Cluster, Verdict};
use crate::sidecar::{SIDECARS, asked, with};
use crate::way::Way;
use crate::wish::Wish;

pub(crate) fn mutate(instance: &Value, namespace: &str, cluster: &Cluster<'_>) -> Result<Verdict, Refusal> {
    let metadata = &instance["metadata"];
    let Some(wish) = Wish::of(metadata)? else { return Ok(Verdict::unchanged()) };
    cluster.catalogue.find(&wish, namespace)?;
    let mut patch = Patch::default();
    match cluster.way {
        Way::Plugin => {}
        Way::Sidecar { .. } if asked(metadata)? => {}
        Way::Sidecar { image } => {
            patch.entry(instance, "/metadata/annotations", SIDECARS, &with(metadata, image)?);
        }
        Way::None(why) => return Err(Refusal::NoWay(why.clone())),
    }
    device(instance, &mut patch);
    Ok(Verdict::Allowed { patch, warnings: Vec::new() })
}

/// `devices.rng: {}`, so that `KubeVirt` gives the device an address and knows of it.
fn device(instance: &Value, patch: &mut Patch) {
    const DEVICES: &str = "/spec/domain/devices";
    match instance.pointer(DEVICES) {
        Some(devices) if !devices["rng"].is_null() => {}
        Some(Value::Object(_)) => patch.set(&format!("{DEVICES}/rng"), &json!({})),
        // What has no domain at all is for KubeVirt's own webhook to refuse.
        _ if instance.pointer("/spec/domain").is_some_and(Value::is_object) => {
            patch.set(DEVICES, &json!({"rng": {}}));
        }
        _ => {}
    }
}
