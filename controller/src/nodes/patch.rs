//! One node written.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use tracing::{debug, warn};

use super::desired::DesiredNode;
use crate::reflector::PartialNode;
use crate::status::FIELD_MANAGER;
use crate::store::StoredNode;

/// One node to write.
pub(super) struct NodePatch {
    name: String,
    metadata: Option<Value>,
    status: Option<Value>,
}

impl NodePatch {
    /// What makes a node what it should be; nothing if it is.
    pub(super) fn of(name: &str, wanted: &DesiredNode, seen: &StoredNode) -> Option<Self> {
        let (metadata, status) = (wanted.metadata(seen), wanted.status(seen));
        let differs = metadata.is_some() || status.is_some();
        differs.then(|| Self { name: name.to_owned(), metadata, status })
    }
}

/// Writes, and returns the node as it is after that, if its places were written.
pub(super) async fn write(api: &Api<PartialNode>, write: NodePatch) -> Option<PartialNode> {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = &*write.name;
    if let Some(patch) = write.metadata {
        match api.patch(name, &params, &Patch::Merge(patch)).await {
            Ok(_) => debug!(node = name, "labelled"),
            Err(error) => warn!(node = name, %error, "the node cannot be labelled"),
        }
    }
    match api.patch_status(name, &params, &Patch::Merge(write.status?)).await {
        Ok(node) => {
            debug!(node = name, places = ?node.status.capacity, "places written");
            Some(node)
        }
        Err(error) => {
            warn!(node = name, %error, "the node's places cannot be written");
            None
        }
    }
}
