//! How a VM's domain gets its socket: by `KubeVirt`'s `Plugin` object, or by a hook sidecar.

use serde_json::{Value, json};

use crate::denial::Denial;
use crate::pool_index::annotation;

/// The first version of `KubeVirt` with plugins.
const PLUGINS: (u32, u32) = (1, 9);
const GATES: &str = "/spec/configuration/developerConfiguration/featureGates";
/// The annotation of a `VirtualMachineInstance` that lists its hook sidecars.
pub(crate) const SIDECARS: &str = "hooks.kubevirt.io/hookSidecars";
/// The path of the hook in the agent's image.
pub(crate) const PROGRAM: &str = "/entropool-hook";

/// The method of the cluster. There is never more than one, since a plugin reverts what a sidecar changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectionMethod {
    /// `KubeVirt`'s own `Plugin` object.
    Plugin,
    /// A hook sidecar that runs the agent's image, with these requests and limits.
    Sidecar { image: String, resources: Value },
    /// Neither is available, for this reason.
    None(String),
}

impl InjectionMethod {
    /// The method for this `KubeVirt` object, with `image` for a sidecar.
    pub fn of(kubevirt: Option<&Value>, image: Option<&str>) -> Self {
        let Some(kubevirt) = kubevirt else { return Self::None("there is no KubeVirt object".to_owned()) };
        let Some(text) = kubevirt.pointer("/status/observedKubeVirtVersion").and_then(Value::as_str) else {
            return Self::None("the KubeVirt object does not show its version yet".to_owned());
        };
        let Some(version) = version(text) else {
            return Self::None(format!("the version of KubeVirt, {text:?}, is not of the form v1.9.0"));
        };
        let has = |gate: &str| {
            let gates = kubevirt.pointer(GATES).and_then(Value::as_array);
            gates.is_some_and(|gates| gates.iter().any(|found| found == gate))
        };
        let missing = |gate: &str| {
            Self::None(format!(
                "KubeVirt {text} needs the feature gate {gate}; add it to the KubeVirt object under \
                 spec.configuration.developerConfiguration.featureGates"
            ))
        };
        if version >= PLUGINS {
            return if has("Plugins") { Self::Plugin } else { missing("Plugins") };
        }
        match image {
            Some(image) if has("Sidecar") => {
                Self::Sidecar { image: image.to_owned(), resources: Value::Null }
            }
            Some(_) => missing("Sidecar"),
            None => Self::None(format!(
                "KubeVirt {text} needs a hook sidecar, and the controller has no image for it; set --hook-image to the \
                 agent's image"
            )),
        }
    }

    /// The same method, whose sidecars get `resources`: `{"requests": {…}, "limits": {…}}`.
    #[must_use]
    pub fn with_resources(self, resources: &Value) -> Self {
        match self {
            Self::Sidecar { image, .. } => Self::Sidecar { image, resources: resources.clone() },
            other => other,
        }
    }

    /// The word for a launcher pod's annotation `entropool.io/bound`.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Sidecar { .. } => "sidecar",
            Self::None(_) => "none",
        }
    }
}

/// Major and minor of `v1.9.0-rc.1` and the like.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether `metadata` list our sidecar. It is identified by its program, not by its image: a VM that was created
/// with an older image migrates with it.
pub(crate) fn has_sidecar(metadata: &Value) -> Result<bool, Denial> {
    Ok(sidecars(metadata)?.iter().any(|sidecar| sidecar["command"][0] == PROGRAM))
}

/// The annotation with our sidecar added to the list.
pub(crate) fn with_sidecar(metadata: &Value, image: &str) -> Result<String, Denial> {
    let mut sidecars = sidecars(metadata)?;
    // The node has the agent's image already, so nothing is pulled with the tenant's rights.
    sidecars.push(json!({"image": image, "imagePullPolicy": "IfNotPresent", "command": [PROGRAM]}));
    Ok(Value::Array(sidecars).to_string())
}

fn sidecars(metadata: &Value) -> Result<Vec<Value>, Denial> {
    match annotation(metadata, SIDECARS) {
        None | Some("") => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|_| Denial::UnreadableSidecars),
    }
}
