//! What a thief of the controller's token cannot do: its roles and the chart's policies deny each of these.

use std::thread;
use std::time::Duration;

use entropool_tests::cluster::{ApiServer, Controller, NAMESPACE};
use serde_json::Value;

use crate::kubectl::{apply, cluster, get, until};
use crate::rights::ACCOUNT;
use crate::webhooks::add_kubevirt;

/// What is there before.
const OBJECTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: shop, namespace: shop}}
---
{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: shop}}
---
{apiVersion: v1, kind: Secret, metadata: {name: other, namespace: entropool-system}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {automountServiceAccountToken: false, serviceAccountName: shop, containers: [{name: a, image: none}]}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: theirs}}
---
# `kubectl patch` reads what it patches. Without this the roles would deny it before the policies are asked.
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reads}, rules: [{apiGroups: ["", admissionregistration.k8s.io], resources: [nodes, nodes/status, mutatingwebhookconfigurations, validatingwebhookconfigurations], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: reads}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reads}, subjects: [{kind: ServiceAccount, name: entropool-controller, namespace: entropool-system}]}
"#;

/// `kubectl`'s words, and what it reads.
const DENIED: [(&str, &str); 42] = [
    ("label node n1 kubernetes.io/hostname=other", ""),
    ("label node n1 zone-", ""),
    ("annotate node n1 a=b", ""),
    ("taint node n1 a=b:NoSchedule", ""),
    (r#"patch node n1 --type=merge -p {"spec":{"unschedulable":true}}"#, ""),
    ("delete node n1", ""),
    (r#"patch node n1 --type=merge -p {"metadata":{"finalizers":["a/b"]}}"#, ""),
    (r#"patch node n1 --subresource=status --type=merge -p {"status":{"capacity":{"cpu":"1000"}}}"#, ""),
    (r#"patch node n1 --subresource=status --type=merge -p {"status":{"capacity":{"memory":null}}}"#, ""),
    (r#"patch node n1 --subresource=status --type=merge -p {"status":{"allocatable":{"cpu":"1000"}}}"#, ""),
    (
        r#"patch node n1 --subresource=status --type=merge -p {"status":{"conditions":[{"type":"Ready","status":"False"}]}}"#,
        "",
    ),
    (
        r#"patch node n1 --subresource=status --type=merge -p {"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}"#,
        "",
    ),
    (r#"patch node n1 --subresource=status --type=merge -p {"metadata":{"labels":{"a":"b"}}}"#, ""),
    ("patch mutatingwebhookconfiguration entropool --type=json -p WEBHOOK/failurePolicy:Ignore", ""),
    (
        r#"patch mutatingwebhookconfiguration entropool --type=json -p [{"op":"add","path":"/webhooks/0/rules/0/resources/-","value":"secrets"}]"#,
        "",
    ),
    (
        r#"patch mutatingwebhookconfiguration entropool --type=json -p [{"op":"remove","path":"/webhooks/0/matchConditions"}]"#,
        "",
    ),
    (
        r#"patch mutatingwebhookconfiguration entropool --type=json -p [{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"https://192.0.2.1/"}]"#,
        "",
    ),
    (
        r#"patch mutatingwebhookconfiguration entropool --type=json -p [{"op":"remove","path":"/webhooks/0"}]"#,
        "",
    ),
    (
        r#"patch validatingwebhookconfiguration entropool --type=json -p [{"op":"add","path":"/webhooks/0/namespaceSelector","value":{"matchLabels":{"a":"b"}}}]"#,
        "",
    ),
    ("annotate mutatingwebhookconfiguration entropool a=b", ""),
    (r#"patch validatingwebhookconfiguration theirs --type=merge -p {"webhooks":[]}"#, ""),
    ("delete mutatingwebhookconfiguration entropool", ""),
    (
        "create -f -",
        "{apiVersion: plugin.kubevirt.io/v1alpha1, kind: Plugin, metadata: {name: mine}, spec: {}}",
    ),
    ("delete plugins.plugin.kubevirt.io entropool", ""),
    ("get secret theirs -n shop", ""),
    ("get secret other -n entropool-system", ""),
    ("get secrets -n entropool-system", ""),
    ("create secret generic mine -n entropool-system", ""),
    ("create secret generic entropool-ca -n shop", ""),
    ("create configmap mine -n entropool-system", ""),
    (
        "create -f -",
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: mine, namespace: entropool-system}}",
    ),
    (
        "create -f -",
        "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: e, namespace: shop}, action: A, reason: R, type: Normal, \
         reportingController: kubelet, reportingInstance: n1, eventTime: \"2026-01-01T00:00:00.000000Z\", \
         regarding: {kind: Pod, namespace: shop, name: web}}",
    ),
    (
        "create -f -",
        "{apiVersion: v1, kind: Pod, metadata: {name: mine, namespace: shop}, spec: {containers: [{name: a, image: none}]}}",
    ),
    ("annotate pod web -n shop a=b", ""),
    ("delete pod web -n shop", ""),
    ("logs web -n shop", ""),
    ("exec web -n shop -- true", ""),
    ("create token shop -n shop", ""),
    ("create clusterrolebinding mine --clusterrole=cluster-admin --user=thief", ""),
    ("label namespace shop a=b", ""),
    (r#"patch epool default --type=merge -p {"spec":{"rate":"1Ki/s"}}"#, ""),
    ("delete epool default", ""),
];

/// What the controller does, and may go on doing.
const ALLOWED: [&str; 3] = [
    "label --overwrite node n1 entropool.io/agent=away",
    r#"patch node n1 --subresource=status --type=merge -p {"status":{"capacity":{"entropool.io/gold":"7"}}}"#,
    r#"patch mutatingwebhookconfiguration entropool --type=json -p [{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"YQ=="}]"#,
];

fn as_controller(api: &ApiServer, line: &str, input: &str) -> Result<(), String> {
    let line = line.replace(
        "WEBHOOK/failurePolicy:Ignore",
        r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#,
    );
    let mut words: Vec<&str> = line.split(' ').collect();
    let end = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    let account = format!("--as={ACCOUNT}");
    words.insert(end, &account);
    let output = api.feed(words, input).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn whoever_has_the_controllers_token_can_do_what_the_controller_does_and_no_more() {
    let api = cluster(&["n1"]);
    add_kubevirt(&api);
    api.said(["label", "node", "n1", "zone=a"]).unwrap();
    let status = r#"{"status":{"capacity":{"cpu":"2","memory":"1Gi"}}}"#;
    api.said(["patch", "node", "n1", "--subresource=status", "--type=merge", "-p", status]).unwrap();
    apply(&api, OBJECTS);
    let controller = Controller::start(&api, "only").unwrap();
    api.install_webhooks(&controller).unwrap();
    until(&api, "plugins.plugin.kubevirt.io", "created", |all| {
        all["items"].as_array().is_some_and(|all| !all.is_empty())
    });
    controller.stop().unwrap();
    api.install_controller_policies().unwrap();
    let probe = "annotate node n1 probe=1 --dry-run=server";
    let mut said = String::new();
    let is_in_force = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        said = as_controller(&api, probe, "").err().unwrap_or_default();
        said.contains("denied request")
    });
    assert!(is_in_force, "the policies are not in force after ten seconds: {said}");

    let before: Vec<Value> = ["node/n1", "epool/default", "mutatingwebhookconfiguration/entropool"]
        .map(|object| get(&api, object)["metadata"]["resourceVersion"].clone())
        .into();
    for (line, input) in DENIED {
        let said = as_controller(&api, line, input).expect_err(line);
        let is_denied = ["orbidden", "denied request"].iter().any(|word| said.contains(word));
        assert!(is_denied, "{line} {input}: {said}");
    }
    let after: Vec<Value> = ["node/n1", "epool/default", "mutatingwebhookconfiguration/entropool"]
        .map(|object| get(&api, object)["metadata"]["resourceVersion"].clone())
        .into();
    assert_eq!(before, after, "nothing has changed");
    for line in ALLOWED {
        as_controller(&api, line, "").expect(line);
    }
    assert_eq!(NAMESPACE, "entropool-system", "the objects above are there");
}
