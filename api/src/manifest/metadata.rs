//! The part of Kubernetes' `metadata` that a manifest of ours may hold.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use crate::schema::{DNS_LABEL, rule_at};

/// What a cluster writes into `metadata`: a manifest made by `kubectl get -o yaml` holds it, and it is dropped.
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

/// The schema of `metadata`, which a definition leaves to the API server.
pub(super) fn schema() -> JSONSchemaProps {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let text = json!({ "type": "string" });
    let mut properties = json!({
        "name": {
            "type": "string",
            "description": "The name by which VMs and other objects know it",
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
            rule_at(".namespace", "!has(self.namespace)", "both kinds belong to the whole cluster: leave it out"),
            rule_at(".generateName", "!has(self.generateName)", "it has a name: leave it out"),
        ],
    });
    serde_json::from_value(schema).expect("our own schema is one")
}

/// Takes out what a manifest does not decide.
pub(super) fn keep_own(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !WRITTEN_BY_CLUSTER.contains(&field.as_str()));
    }
}
