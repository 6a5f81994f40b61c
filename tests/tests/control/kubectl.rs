//! What `kubectl` says of our objects, and patience for it.

use std::thread;
use std::time::Duration;

use entropool_tests::cluster::ApiServer;
use serde_json::Value;

/// How often it is looked before a test gives up: 30 s on an idle machine, more on a busy one.
const LOOKS: u32 = 150;

/// An API server with our kinds, our rights and nodes that run an agent.
pub(crate) fn cluster(nodes: &[&str]) -> ApiServer {
    let api = ApiServer::start().unwrap();
    api.install_kinds().unwrap();
    api.install_rights().unwrap();
    for node in nodes {
        apply(
            &api,
            &format!(
                "{{apiVersion: v1, kind: Node, metadata: {{name: {node}, labels: {{entropool.io/agent: away}}}}}}"
            ),
        );
    }
    api
}

/// Applies manifests as a user does.
pub(crate) fn apply(api: &ApiServer, yaml: &str) {
    let output = api.feed(["apply", "-f", "-"], yaml).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An object as it is now.
pub(crate) fn get(api: &ApiServer, object: &str) -> Value {
    serde_json::from_str(&api.said(["get", object, "-o", "json"]).unwrap()).unwrap()
}

/// Status and reason of one of its conditions: `False RateOverParent`.
pub(crate) fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    found.map(|it| format!("{} {}", text(it, "status"), text(it, "reason"))).unwrap_or_default()
}

/// Waits until the object is as it should be, and returns it.
pub(crate) fn until(api: &ApiServer, object: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..LOOKS {
        last = get(api, object);
        if holds(&last) {
            return last;
        }
        thread::sleep(Duration::from_millis(200));
    }
    panic!("{object} is never {what}: {last:#}")
}

/// Waits until a condition is so, for the generation that is there.
pub(crate) fn until_condition(api: &ApiServer, object: &str, kind: &str, expected: &str) -> Value {
    until(api, object, &format!("{kind}={expected}"), |it| {
        condition(it, kind) == expected && it["status"]["observedGeneration"] == it["metadata"]["generation"]
    })
}

/// Waits until the object's row of `kubectl get` begins so.
pub(crate) fn until_row(api: &ApiServer, object: &str, row: &[&str]) {
    let mut last = String::new();
    for _ in 0..LOOKS {
        last = api.said(["get", object, "--no-headers"]).unwrap();
        if last.split_whitespace().take(row.len()).eq(row.iter().copied()) {
            return;
        }
        thread::sleep(Duration::from_millis(200));
    }
    panic!("{object} never shows {row:?}, but {last}")
}

/// The manifest of pool `default`.
pub(crate) fn pool(rate: &str) -> String {
    format!(
        "---\n{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{rate: {rate}}}}}\n"
    )
}

/// The manifest of a class of it.
pub(crate) fn class(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: {name}}}, spec: {{pool: default, {spec}}}}}\n"
    )
}
