//! The write of one node's label and slots.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use tracing::{debug, warn};

use super::desired::DesiredNode;
use crate::api_error::api_error;
use crate::reflector::PartialNode;
use crate::status::FIELD_MANAGER;
use crate::store::StoredNode;

pub(super) struct NodePatch {
    name: String,
    metadata: Option<Value>,
    status: Option<Value>,
}

impl NodePatch {
    /// The patch from `node` to `desired`; `None` if they are equal.
    pub(super) fn of(name: &str, desired: &DesiredNode, node: &StoredNode) -> Option<Self> {
        let (metadata, status) = (desired.metadata(node), desired.status(node));
        let differs = metadata.is_some() || status.is_some();
        differs.then(|| Self { name: name.to_owned(), metadata, status })
    }
}

/// Writes a patch, and returns the node if its slots were written.
pub(super) async fn write(api: &Api<PartialNode>, write: NodePatch) -> Option<PartialNode> {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = &*write.name;
    if let Some(patch) = write.metadata {
        match api.patch(name, &params, &Patch::Merge(patch)).await {
            Ok(_) => debug!(node = name, "label written"),
            Err(error) => warn!(node = name, error = api_error(&error), "failed to write label"),
        }
    }
    match api.patch_status(name, &params, &Patch::Merge(write.status?)).await {
        Ok(node) => {
            debug!(node = name, slots = ?node.status.capacity, "slots written");
            Some(node)
        }
        Err(error) => {
            warn!(node = name, error = api_error(&error), "failed to write slots");
            None
        }
    }
}
