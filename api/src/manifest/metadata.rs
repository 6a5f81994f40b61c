//! The schema of `metadata` in manifests.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use crate::schema::{DNS_LABEL, rule_at};

/// The fields that a cluster writes. A manifest from `kubectl get -o yaml` has them, and they are dropped.
const WRITTEN_BY_CLUSTER: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The schema of `metadata`, which a `CustomResourceDefinition` leaves to the API server.
pub(super) fn schema() -> JSONSchemaProps {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let text = json!({ "type": "string" });
    let mut properties = json!({
        "name": {
            "type": "string",
            "description": "The name by which VMs and other objects refer to the object",
            "minLength": 1,
            "maxLength": 63,
            "pattern": DNS_LABEL,
        },
        "labels": texts,
        "annotations": texts,
        "namespace": text,
        "generateName": text,
    });
    for field in WRITTEN_BY_CLUSTER {
        properties[field] = json!({ "x-kubernetes-preserve-unknown-fields": true });
    }
    let schema = json!({
        "type": "object",
        "description": "Write metadata: {name: …}",
        "required": ["name"],
        "properties": properties,
        "x-kubernetes-validations": [
            rule_at(".namespace", "!has(self.namespace)", "pools and classes are cluster-scoped: omit the namespace"),
            rule_at(".generateName", "!has(self.generateName)", "not supported: write name instead"),
        ],
    });
    serde_json::from_value(schema).expect("the schema is valid")
}

pub(super) fn remove_cluster_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !WRITTEN_BY_CLUSTER.contains(&field.as_str()));
    }
}
