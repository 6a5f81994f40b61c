//! What comes to the API server, and what it says to that.

use entropool_tests::cluster::ApiServer;
use serde_json::{Map, Value, json};

/// What is installed, of that version and with that gate.
pub(super) fn kubevirt(version: &str, gate: &str) -> String {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": "shop"},
        "spec": {"configuration": {"developerConfiguration": {"featureGates": [gate]}}},
        "status": {"observedKubeVirtVersion": version},
    })
    .to_string()
}

/// A VM whose template has this metadata.
pub(super) fn machine(name: &str, metadata: &Value) -> Value {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"runStrategy": "Always", "template": {"metadata": metadata, "spec": {"domain": {"devices": {}}}}},
    })
}

/// An instance with these annotations.
pub(super) fn instance(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: Map<String, Value> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {"domain": {"devices": {}}},
    })
}

/// A pod as virt-controller makes one of an instance with these annotations.
pub(super) fn launcher(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("virt-launcher-{name}"), "namespace": "shop",
            "labels": {"kubevirt.io": "virt-launcher"}, "annotations": annotations,
        },
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "compute", "image": "none"}],
        },
    })
}

/// What the API server would store, or its sentence.
pub(super) fn dry(api: &ApiServer, object: &Value) -> Result<Value, String> {
    create(api, object, &["--dry-run=server"])
}

/// What the API server has stored, or its sentence.
pub(super) fn make(api: &ApiServer, object: &Value) -> Result<Value, String> {
    create(api, object, &[])
}

/// The sentence with which the object is refused.
pub(super) fn refused(api: &ApiServer, object: &Value) -> String {
    match dry(api, object) {
        Ok(object) => panic!("it was not refused: {object:#}"),
        Err(sentence) => sentence,
    }
}

fn create(api: &ApiServer, object: &Value, more: &[&str]) -> Result<Value, String> {
    let words = ["create", "-o", "json", "-f", "-"].iter().chain(more);
    let output = api.feed(words, &object.to_string()).unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
