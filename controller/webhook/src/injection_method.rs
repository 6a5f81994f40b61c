//! How a domain's XML is changed in this cluster.

use serde_json::Value;

/// The first `KubeVirt` that knows plugins.
const PLUGINS: (u32, u32) = (1, 9);
const GATES: &str = "/spec/configuration/developerConfiguration/featureGates";

/// The one way in which domains are changed: never both, since a plugin undoes what a sidecar did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectionMethod {
    /// By `KubeVirt`'s own `Plugin` object.
    Plugin,
    /// By a hook sidecar.
    Sidecar {
        /// The agent's image, which has the hook in it.
        image: String,
    },
    /// There is none, for this reason.
    None(String),
}

impl InjectionMethod {
    /// The way of the cluster whose `KubeVirt` object this is. A sidecar would have `image`.
    pub fn of(kubevirt: Option<&Value>, image: Option<&str>) -> Self {
        let Some(kubevirt) = kubevirt else { return Self::None("there is no KubeVirt object".to_owned()) };
        let Some(said) = kubevirt.pointer("/status/observedKubeVirtVersion").and_then(Value::as_str) else {
            return Self::None("the KubeVirt object does not say yet which version runs".to_owned());
        };
        let Some(version) = version(said) else {
            return Self::None(format!("KubeVirt {said:?} is no version that could be compared"));
        };
        let has = |gate: &str| {
            let gates = kubevirt.pointer(GATES).and_then(Value::as_array);
            gates.is_some_and(|gates| gates.iter().any(|found| found == gate))
        };
        let missing = |gate: &str| {
            Self::None(format!(
                "KubeVirt {said} needs the feature gate {gate}; add it to the KubeVirt object under \
                 spec.configuration.developerConfiguration.featureGates"
            ))
        };
        if version >= PLUGINS {
            return if has("Plugins") { Self::Plugin } else { missing("Plugins") };
        }
        match image {
            Some(image) if has("Sidecar") => Self::Sidecar { image: image.to_owned() },
            Some(_) => missing("Sidecar"),
            None => Self::None(format!(
                "KubeVirt {said} needs a hook sidecar, and the controller was not told its image: set --hook-image to \
                 the agent's"
            )),
        }
    }

    /// As it is noted on a launcher pod.
    pub(crate) fn name(&self) -> &'static str {
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
