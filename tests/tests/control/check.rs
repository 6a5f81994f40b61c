//! `kubectl entropool check`: each thing that is away, not ready or out of reach is an error, with what to do.

use std::net::TcpListener;

use entropool_tests::cluster::{ApiServer, Controller, NAMESPACE, rendered};
use serde_json::{Value, json};

use crate::cli::{outcome, plugin};
use crate::kubectl::{apply, cluster};
use crate::webhooks::add_kubevirt;

/// The level and the message of each result.
fn check(api: &ApiServer, words: &[&str]) -> Vec<(String, String, String)> {
    let output = plugin(api).args(["check", "-o", "json"]).args(words).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = document["checks"].as_array().unwrap().iter();
    results.map(|it| (text(&it["check"]), text(&it["level"]), text(&it["message"]))).collect()
}

/// The check has this level, and says so; an API server learns of another webhook a moment later.
fn finds(api: &ApiServer, check_name: &str, level: &str, words: &str) {
    let met = |(check, it, message): &(String, String, String)| {
        check == check_name && it == level && message.contains(words)
    };
    let mut found = Vec::new();
    for _ in 0..5 {
        found = check(api, &[]);
        if found.iter().any(met) {
            return;
        }
    }
    panic!("{check_name} does not say {words:?} as {level}: {found:#?}");
}

fn status(api: &ApiServer, object: &str, status: &Value) {
    let patch = json!({ "status": status }).to_string();
    api.said(["patch", object, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &patch])
        .unwrap();
}

/// A pod of a component, in a state that a kubelet would report.
fn pod(api: &ApiServer, name: &str, component: &str, state: &Value) {
    let labels = format!("{{app.kubernetes.io/name: entropool, app.kubernetes.io/component: {component}}}");
    apply(
        api,
        &format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {NAMESPACE}, labels: {labels}}}, spec: \
             {{nodeName: n1, serviceAccountName: entropool-agent, containers: [{{name: a, image: a}}]}}}}"
        ),
    );
    status(api, &format!("pod/{name}"), state);
}

#[test]
fn what_is_away_or_not_ready_or_out_of_reach_is_an_error_with_what_to_do() {
    let api = cluster(&["n1"]);
    add_kubevirt(&api);
    // Which a cluster's own controllers make.
    apply(
        &api,
        &format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: default, namespace: {NAMESPACE}}}}}"
        ),
    );
    let elsewhere = check(&api, &["--system-namespace", "elsewhere"]);
    for name in ["controller-pods", "service", "agent-pods", "controller", "agents"] {
        let found = elsewhere.iter().find(|(check, ..)| check == name).unwrap();
        assert_eq!(found.1, "error", "{found:?}");
    }
    let missing = "there is no controller in namespace entropool-system: install the chart";
    finds(&api, "controller-pods", "error", missing);
    finds(&api, "csi-driver", "error", "install the chart");
    finds(&api, "webhooks", "error", "install the chart");
    finds(&api, "admission", "error", "the API server calls no webhook");

    let shown = ["--show-only", "templates/controller.yaml", "--show-only", "templates/agent.yaml"];
    apply(&api, &rendered(&shown).unwrap());
    finds(&api, "controller-pods", "error", "0 of 2 pods of deployment entropool-controller are ready");
    finds(&api, "agent-pods", "error", "daemonset entropool-agent selects no node");
    finds(&api, "service", "error", "Service entropool-controller has no ready endpoint");
    finds(&api, "agents", "error", "no agent runs in namespace entropool-system");
    status(&api, "deployment/entropool-controller", &json!({"replicas": 2, "readyReplicas": 2}));
    finds(&api, "controller-pods", "ok", "");
    api.said(["scale", "deployment/entropool-controller", "--replicas=0", "-n", NAMESPACE]).unwrap();
    finds(&api, "controller-pods", "error", "has no replicas, so nothing is planned: run `kubectl scale");

    let agents = json!({"currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": 0});
    status(&api, "daemonset/entropool-agent", &agents);
    let crashed = json!({"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}]});
    pod(&api, "entropool-agent-x", "agent", &crashed);
    finds(
        &api,
        "agent-pods",
        "error",
        "pod entropool-agent-x on node n1 has ended 5 times, last with exit code 1: run `kubectl logs",
    );
    let pending = json!({"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
    pod(&api, "entropool-controller-x", "controller", &pending);
    finds(
        &api,
        "controller-pods",
        "error",
        "pod entropool-controller-x on node n1 does not start: ImagePullBackOff",
    );
    endpoints(&api, false);
    finds(&api, "service", "error", "has no ready endpoint");
    endpoints(&api, true);
    finds(&api, "service", "ok", "");
    webhooks(&api);
    let (right, told) = outcome(&api, &["check"]);
    assert!(!right && !told.contains("Status {") && !told.contains("Error"), "{told}");
}

fn endpoints(api: &ApiServer, ready: bool) {
    apply(
        api,
        &format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: of-controller, \
             namespace: {NAMESPACE}, labels: {{kubernetes.io/service-name: entropool-controller}}}}, endpoints: \
             [{{addresses: [192.0.2.1], conditions: {{ready: {ready}}}}}]}}"
        ),
    );
}

/// One that answers, one that is stopped, and one that takes connections and says nothing.
fn webhooks(api: &ApiServer) {
    let controller = Controller::start(api, "only").unwrap();
    api.install_webhooks(&controller).unwrap();
    finds(api, "admission", "ok", "the webhooks answer the API server");
    finds(api, "controller", "ok", "only leads");
    controller.stop().unwrap();
    finds(api, "controller", "error", "no controller leads");
    finds(api, "admission", "error", "connection refused");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/mutate/pods", silent.local_addr().unwrap());
    let patch = json!([
        {"op": "replace", "path": "/webhooks/1/clientConfig/url", "value": url},
        {"op": "replace", "path": "/webhooks/1/timeoutSeconds", "value": 1},
    ]);
    let words = ["patch", "mutatingwebhookconfiguration/entropool", "--type=json", "-p"];
    api.said(words.iter().copied().chain([&*patch.to_string()])).unwrap();
    finds(api, "admission", "error", "context deadline exceeded");
}
