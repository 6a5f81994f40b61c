//! A `VirtualMachineInstance` gets the device that its domain is to have, and where need be the sidecar.

use serde_json::{Value, json};

use crate::denial::Denial;
use crate::injection_method::InjectionMethod;
use crate::patch::Patch;
use crate::requested::Requested;
use crate::review::{Cluster, Decision};
use crate::sidecar::{SIDECARS, asked, with};

pub(crate) fn mutate(instance: &Value, namespace: &str, cluster: &Cluster<'_>) -> Result<Decision, Denial> {
    let metadata = &instance["metadata"];
    let Some(wish) = Requested::of(metadata)? else { return Ok(Decision::unchanged()) };
    cluster.pools.find(&wish, namespace)?;
    let mut patch = Patch::default();
    match cluster.injection {
        InjectionMethod::Plugin => {}
        InjectionMethod::Sidecar { .. } if asked(metadata)? => {}
        InjectionMethod::Sidecar { image } => {
            patch.entry(instance, "/metadata/annotations", SIDECARS, &with(metadata, image)?);
        }
        InjectionMethod::None(why) => return Err(Denial::NoInjectionMethod(why.clone())),
    }
    device(instance, &mut patch);
    Ok(Decision::Allowed { patch, warnings: Vec::new() })
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
