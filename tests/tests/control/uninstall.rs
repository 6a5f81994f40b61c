//! An uninstallation: refused while something uses entropool, and otherwise without a trace. And an installation right after.

use std::time::Duration;

use entropool_tests::cluster::{ApiServer, Controller, NAMESPACE, chart, helm, rendered, said};
use serde_json::{Value, json};

use crate::cli::outcome;
use crate::kubectl::{apply, class, get, until};
use crate::scenario::Scenario;
use crate::webhooks::add_kubevirt;
use crate::work_clock::WorkClock;

/// The account of the chart's job.
const ACCOUNT: &str = "system:serviceaccount:entropool-system:entropool-uninstall";
/// After which an installation that follows another is usable.
const USABLE: Duration = Duration::from_secs(10);

/// A pod with a volume of ours, which no kubelet starts.
const POD: &str = "\
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}}
---
{apiVersion: v1, kind: Pod, metadata: {name: reader, namespace: default}, spec: {containers: [{name: a, image: a}],
volumes: [{name: e, csi: {driver: csi.entropool.io, readOnly: true, volumeAttributes: {entropool.io/pool: default}}}]}}
";
const VM: &str = "\
{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: web, namespace: shop}, spec: {runStrategy: Halted,
template: {metadata: {annotations: {entropool.io/pool: default}}, spec: {domain: {devices: {}}}}}}
";

/// Nodes with label and slots, the chart's Deployment and `DaemonSet`, which start nothing here, and a controller.
fn installed() -> Scenario {
    let scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    apply(&scene.api, &class("gold", "rate: 8Ki/s, perVM: {rate: 1Ki/s}"));
    marked(&scene.api);
    let shown = ["--show-only", "templates/controller.yaml", "--show-only", "templates/agent.yaml"];
    apply(&scene.api, &rendered(&shown).unwrap());
    scene
}

fn marked(api: &ApiServer) {
    for node in ["node/n1", "node/n2"] {
        until(api, node, "ready, with slots", |node| {
            node["metadata"]["labels"]["entropool.io/agent"] == "ready"
                && !node["status"]["capacity"]["entropool.io/gold"].is_null()
        });
    }
}

fn replicas(api: &ApiServer) -> Value {
    let deployment = ["get", "deployment/entropool-controller", "-n", NAMESPACE, "-o", "json"];
    let deployment: Value = serde_json::from_str(&api.said(deployment).unwrap()).unwrap();
    deployment["spec"]["replicas"].clone()
}

fn without_a_trace(api: &ApiServer) {
    for node in ["node/n1", "node/n2"] {
        let node = get(api, node);
        assert!(node["metadata"]["labels"]["entropool.io/agent"].is_null(), "{node:#}");
        assert!(!node["status"].to_string().contains("entropool.io/"), "{node:#}");
    }
    let left = api.said(["get", "secret,configmap,lease,ds", "-n", NAMESPACE, "-o", "name"]).unwrap();
    let ours: Vec<_> =
        left.lines().filter(|line| line.contains("entropool") && !line.contains("entropool-agent")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn nothing_is_removed_while_a_pod_or_a_vm_uses_entropool_and_nothing_is_left_after_them() {
    let mut scene = installed();
    add_kubevirt(&scene.api);
    apply(&scene.api, POD);
    apply(&scene.api, VM);
    for words in [&["uninstall", "--check"][..], &["uninstall", "--yes"]] {
        let (done, told) = outcome(&scene.api, words);
        let sentence = "1 VM and 1 pod in 2 namespaces still use entropool: shop/web, default/reader";
        assert!(!done && told.contains(sentence), "{words:?}: {told}");
    }
    marked(&scene.api);
    assert_eq!(replicas(&scene.api), 2);

    scene.api.said(["delete", "pod/reader", "--force", "--grace-period=0"]).unwrap();
    scene.api.said(["delete", "vm/web", "-n", "shop"]).unwrap();
    let (free, told) = outcome(&scene.api, &["uninstall", "--check"]);
    assert!(free && told.contains("Nothing uses entropool"), "{told}");
    let (done, told) = outcome(&scene.api, &["uninstall"]);
    assert!(!done && told.contains("add --yes"), "{told}");
    assert_eq!(replicas(&scene.api), 2);
    // Here no kubelet ends the pods of a Deployment.
    let only = scene.take_replica("only");
    scene.service.remove(only.agents);
    only.stop().unwrap();
    let (done, told) = outcome(&scene.api, &["uninstall", "--yes"]);
    assert!(done, "{told}");
    for part in [
        "the label and the slots of 2 nodes",
        "Secret entropool-ca, ConfigMap entropool-ca, Lease entropool-controller",
        "helm uninstall RELEASE --namespace entropool-system --no-hooks",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
    assert_eq!(replicas(&scene.api), 0);
    without_a_trace(&scene.api);
    // Agents serve on, and a second time there is nothing to remove.
    scene.draws("vm");
    let (done, told) = outcome(&scene.api, &["uninstall", "--yes"]);
    assert!(done && told.contains("the slots of 0 nodes; nothing else"), "{told}");
    usable_at_once(&mut scene);
}

/// The Lease is nobody's, so the next controller leads at once.
fn usable_at_once(scene: &mut Scenario) {
    let clock = WorkClock::begin();
    scene.start_replicas(&["next"]);
    for agent in &scene.agents {
        agent.renew_trust(&scene.api).unwrap();
    }
    scene.api.install_webhooks(&scene.replicas[0]).unwrap();
    marked(&scene.api);
    let took = clock.passed();
    println!("usable after {took:?}");
    assert!(took < USABLE, "{took:?}");
}

#[test]
fn agents_stay_for_vms_if_an_uninstallation_is_forced_until_it_is_repeated() {
    let mut scene = installed();
    apply(&scene.api, POD);
    let only = scene.take_replica("only");
    only.stop().unwrap();
    // Nothing here starts the pods of a DaemonSet, or counts them.
    let status = r#"{"status":{"observedGeneration":1,"desiredNumberScheduled":0,"numberReady":0}}"#;
    let (done, told) = std::thread::scope(|scope| {
        let forced = scope.spawn(|| outcome(&scene.api, &["uninstall", "--force", "--yes"]));
        let patch = [
            "patch",
            "ds/entropool-remaining",
            "-n",
            NAMESPACE,
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
        ];
        let patched = (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            scene.api.said(patch).is_ok()
        });
        assert!(patched, "there is no DaemonSet that stays");
        forced.join().unwrap()
    });
    assert!(
        done && told.contains("Staying: 1 pod in 1 namespace still uses entropool: default/reader"),
        "{told}"
    );
    let remaining: Value = serde_json::from_str(
        &scene.api.said(["get", "ds/entropool-remaining", "-n", NAMESPACE, "-o", "json"]).unwrap(),
    )
    .unwrap();
    let pod = &remaining["spec"]["template"]["spec"];
    assert!(pod["serviceAccountName"].is_null() && !pod.to_string().contains("identity"), "{pod:#}");
    let labels = &remaining["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/instance"], "entropool-remaining");
    assert!(remaining["metadata"]["labels"]["app.kubernetes.io/managed-by"].is_null(), "{remaining:#}");

    scene.api.said(["delete", "pod/reader", "--force", "--grace-period=0"]).unwrap();
    let (done, told) = outcome(&scene.api, &["uninstall", "--yes"]);
    assert!(done && told.contains("DaemonSet entropool-remaining"), "{told}");
    without_a_trace(&scene.api);
}

/// What Helm runs, with the rights that it has then and no others.
#[test]
fn the_charts_job_has_the_rights_to_refuse_and_to_remove_everything() {
    let mut scene = installed();
    add_kubevirt(&scene.api);
    let hooks = hooks(&scene.api, &[]);
    let job = hooks.iter().find(|hook| hook["kind"] == "Job").unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["uninstall", "--namespace=entropool-system"]));
    assert_eq!(job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"], json!([3]));
    let roles: Vec<_> = hooks
        .iter()
        .filter(|hook| hook["kind"] != "Job" && hook["kind"] != "Pod")
        .map(Value::to_string)
        .collect();
    apply(&scene.api, &roles.join("\n---\n"));
    let account = scene.api.user(ACCOUNT, "system:serviceaccounts").unwrap();

    apply(&scene.api, POD);
    let (code, log) = Controller::errand_as(&account, &["uninstall"]).unwrap();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("1 pod in 1 namespace still uses entropool: default/reader"), "{log}");
    assert_eq!(replicas(&scene.api), 2);
    scene.api.said(["delete", "pod/reader", "--force", "--grace-period=0"]).unwrap();
    scene.take_replica("only").stop().unwrap();
    let (code, log) = Controller::errand_as(&account, &["uninstall"]).unwrap();
    assert_eq!(code, Some(0), "{log}");
    without_a_trace(&scene.api);
    let refused: Vec<_> = scene
        .api
        .calls()
        .unwrap()
        .into_iter()
        .filter(|call| call.user == ACCOUNT && call.code == 403)
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The hooks that Helm has for a release on this server.
fn hooks(api: &ApiServer, values: &[&str]) -> Vec<Value> {
    let mut command = helm().unwrap();
    command.arg("--kubeconfig").arg(api.kubeconfig()).args(["--namespace", NAMESPACE]);
    command
        .args(["install", "entropool", "--dry-run=server", "--take-ownership", "--output=json"])
        .arg(chart())
        .args(values);
    let release: Value = serde_json::from_str(&said(&mut command).unwrap()).unwrap();
    let hooks = release["hooks"].as_array().into_iter().flatten();
    hooks.map(|hook| serde_yaml::from_str(hook["manifest"].as_str().unwrap()).unwrap()).collect()
}
