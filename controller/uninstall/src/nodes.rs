//! The label and the slots that the controller writes to nodes.

use api::names::{AGENT_LABEL, RESOURCE_PREFIX};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};

use crate::error::{UninstallError, api_call, is_not_found};
use crate::list::list;

/// What is removed from one node.
#[derive(Debug, PartialEq)]
struct NodeCleaning {
    name: String,
    metadata: Option<Value>,
    status: Option<Value>,
}

/// Removes the label and the slots of all classes from every node, and returns from how many.
pub(crate) async fn clean(client: &Client) -> Result<usize, UninstallError> {
    let api = Api::<Node>::all(client.clone());
    let dirty = list(&api, "nodes", |node| cleaning(&node)).await?;
    for NodeCleaning { name, metadata, status } in &dirty {
        let patch = async {
            if let Some(metadata) = metadata {
                api.patch(name, &PatchParams::default(), &Patch::Merge(metadata)).await?;
            }
            if let Some(status) = status {
                api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
            }
            Ok(())
        };
        match patch.await {
            // It was removed in the meantime.
            Err(error) if is_not_found(&error) => {}
            result => result.map_err(api_call(format!("clean node {name}")))?,
        }
    }
    Ok(dirty.len())
}

fn cleaning(node: &Node) -> Option<NodeCleaning> {
    let labelled = node.labels().contains_key(AGENT_LABEL);
    let metadata = labelled.then(|| json!({"metadata": {"labels": {AGENT_LABEL: null}}}));
    let status = node.status.as_ref();
    let resources =
        [status.and_then(|it| it.capacity.as_ref()), status.and_then(|it| it.allocatable.as_ref())];
    let removed: Map<String, Value> = resources
        .into_iter()
        .flatten()
        .flat_map(|resources| resources.keys())
        .filter(|name| name.starts_with(RESOURCE_PREFIX))
        .map(|name| (name.clone(), Value::Null))
        .collect();
    let status =
        (!removed.is_empty()).then(|| json!({"status": {"capacity": removed, "allocatable": removed}}));
    let dirty = metadata.is_some() || status.is_some();
    dirty.then(|| NodeCleaning { name: node.name_any(), metadata, status })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(labels: &Value, allocatable: &Value) -> Node {
        let capacity = json!({"cpu": "4", "entropool.io/gold": "12"});
        let capacity = if allocatable.is_null() { json!({"cpu": "4"}) } else { capacity };
        serde_json::from_value(json!({"metadata": {"name": "n1", "labels": labels},
            "status": {"capacity": capacity, "allocatable": allocatable}}))
        .unwrap()
    }

    #[test]
    fn label_and_slots_are_removed_and_nothing_else() {
        let dirty = node(
            &json!({"entropool.io/agent": "away", "arch": "x"}),
            &json!({"cpu": "4", "entropool.io/old": "1"}),
        );
        let cleaning = cleaning(&dirty).unwrap();
        assert_eq!(cleaning.metadata, Some(json!({"metadata": {"labels": {"entropool.io/agent": null}}})));
        let both = json!({"entropool.io/gold": null, "entropool.io/old": null});
        assert_eq!(cleaning.status, Some(json!({"status": {"capacity": both, "allocatable": both}})));
    }

    #[test]
    fn clean_node_is_not_patched() {
        assert_eq!(cleaning(&node(&json!({"arch": "x"}), &Value::Null)), None);
    }
}
