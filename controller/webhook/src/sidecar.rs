//! The annotation by which a VM gets hook sidecars.

use serde_json::{Value, json};

use crate::denial::Denial;
use crate::requested::annotation;

/// The annotation.
pub(crate) const SIDECARS: &str = "hooks.kubevirt.io/hookSidecars";

/// Where the image has it.
const PROGRAM: &str = "/entropool-hook";

/// Whether `metadata` ask for our sidecar. It is known by its program: its image is the one of the day on which the
/// VM was made, and a VM moves with the sidecar that it has.
pub(crate) fn asked(metadata: &Value) -> Result<bool, Denial> {
    Ok(list(metadata)?.iter().any(|sidecar| sidecar["command"][0] == PROGRAM))
}

/// The annotation with our sidecar among others.
pub(crate) fn with(metadata: &Value, image: &str) -> Result<String, Denial> {
    let mut sidecars = list(metadata)?;
    // The agent's image, which the node has: nothing is pulled with the tenant's rights.
    sidecars.push(json!({"image": image, "imagePullPolicy": "IfNotPresent", "command": [PROGRAM]}));
    Ok(Value::Array(sidecars).to_string())
}

fn list(metadata: &Value) -> Result<Vec<Value>, Denial> {
    match annotation(metadata, SIDECARS) {
        None | Some("") => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|_| Denial::UnreadableSidecars),
    }
}
