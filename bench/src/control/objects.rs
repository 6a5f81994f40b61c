//! The cluster that is measured: nodes with agents' pods, tenants' pods, one pool and its classes.

use serde_json::{Value, json};

use super::store::Store;

/// Where the controller and the agents are.
pub(crate) const NAMESPACE: &str = "entropool-system";

/// Fills the store.
pub(crate) fn fill(store: &Store, agents: usize, classes: usize) {
    for name in ["default", "kube-system", NAMESPACE] {
        let labels = json!({"kubernetes.io/metadata.name": name});
        store.put(
            "namespaces",
            name,
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"labels": labels}}),
        );
    }
    store.put("csidrivers", "csi.entropool.io", driver());
    store.put("entropypools", "default", pool());
    for class in 0..classes {
        store.put("entropyclasses", &class_name(class), self::class("1Ki/s"));
    }
    for agent in 0..agents {
        let node = node_name(agent);
        let labels = json!({"entropool.io/agent": "ready", "kubernetes.io/hostname": node});
        store.put(
            "nodes",
            &node,
            json!({"kind": "Node", "apiVersion": "v1", "metadata": {"labels": labels}}),
        );
        store.put("agents", &pod_name(agent), pod(agent));
    }
}

/// The name of a node.
pub(crate) fn node_name(agent: usize) -> String {
    format!("node-{agent}")
}

/// The name of a class.
pub(crate) fn class_name(class: usize) -> String {
    format!("class-{class}")
}

/// What the API server says of an agent's token, which here is its number.
pub(crate) fn review(token: &str) -> Value {
    let Ok(agent) = token.parse() else { return json!({"status": {"authenticated": false}}) };
    let extra = json!({
        "authentication.kubernetes.io/pod-name": [pod_name(agent)],
        "authentication.kubernetes.io/pod-uid": [uid(agent)],
        "authentication.kubernetes.io/node-name": [node_name(agent)],
    });
    let username = format!("system:serviceaccount:{NAMESPACE}:entropool-agent");
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {"token": ""},
        "status": {
            "authenticated": true,
            "audiences": ["controller.entropool.io"],
            "user": {"username": username, "extra": extra},
        },
    })
}

fn pod_name(agent: usize) -> String {
    format!("entropool-agent-{agent}")
}

fn uid(agent: usize) -> String {
    format!("00000000-0000-0000-0000-{agent:012}")
}

fn pod(agent: usize) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"namespace": NAMESPACE, "uid": uid(agent)},
        "spec": {"nodeName": node_name(agent), "serviceAccountName": "entropool-agent"},
    })
}

fn driver() -> Value {
    json!({"kind": "CSIDriver", "apiVersion": "storage.k8s.io/v1", "metadata": {}, "spec": {"podInfoOnMount": true}})
}

fn pool() -> Value {
    json!({
        "kind": "EntropyPool", "apiVersion": "entropool.io/v1alpha1",
        "metadata": {"generation": 1, "uid": "pool", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"rate": "4Mi/s"},
    })
}

fn class(rate: &str) -> Value {
    json!({
        "kind": "EntropyClass", "apiVersion": "entropool.io/v1alpha1",
        "metadata": {"generation": 1, "uid": "class", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"pool": "default", "rate": rate},
    })
}
