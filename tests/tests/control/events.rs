//! What nodes say that people should know of: it is an Event of the object that it is about.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use entropool_tests::cluster::{Agent, ApiServer, Controller};
use hyper_util::rt::TokioIo;
use proto::registration::RegistrationStatus;
use proto::registration::registration_client::RegistrationClient;
use serde_json::Value;
use tonic::transport::{Endpoint, Uri};

use crate::kubectl::{apply, class, cluster, pool, until, until_condition};
use crate::scenario::Scenario;

const DRIVER: &str = "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: csi.entropool.io}, spec: {podInfoOnMount: true}}";

/// Waits for an Event of an object with that reason, and gives its sentence.
fn told_of(api: &ApiServer, kind: &str, name: &str, reason: &str) -> String {
    let is_it = |event: &&Value| {
        let object = &event["involvedObject"];
        object["kind"] == kind && object["name"] == name && event["reason"] == reason
    };
    let find = |events: &Value| events["items"].as_array().unwrap().iter().find(is_it).cloned();
    let events =
        until(api, "events", &format!("telling {reason} of {kind} {name}"), |all| find(all).is_some());
    find(&events).unwrap()["message"].as_str().unwrap().to_owned()
}

fn patiently(what: &str, holds: impl Fn() -> bool) {
    let look = |_| {
        thread::sleep(Duration::from_millis(200));
        holds()
    };
    assert!((0..150).any(look), "it never was so that {what}");
}

/// What a kubelet says once it has asked the driver who it is.
fn register(agent: &Agent) {
    let socket: PathBuf = agent.kubelet_dir().join("plugins_registry/csi.entropool.io-reg.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dial = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://driver").connect_with_connector(dial).await.unwrap();
        let status = RegistrationStatus { plugin_registered: true, error: String::new() };
        RegistrationClient::new(channel).notify_registration_status(status).await.unwrap();
    });
}

#[test]
fn a_node_is_ready_while_a_vm_that_came_would_get_its_socket() {
    let api = &cluster(&[]);
    let replica = Controller::start_on_ipv6(api, "only").unwrap();
    let labelled = |value: &str| {
        until(api, "node/n3", &format!("labelled {value}"), |node| {
            node["metadata"]["labels"]["entropool.io/agent"] == value
        });
    };
    apply(api, &pool("32Ki/s"));
    apply(api, DRIVER);
    // As the environment has the address of a Service of IPv6: without brackets.
    let controller = format!("https://{}:{}", replica.agents.ip(), replica.agents.port());
    let agent = Agent::start_with_kubelet(api, &controller, "n3").unwrap();
    labelled("starting");
    let told = told_of(api, "Node", "n3", "NotRegistered");
    assert!(told.starts_with("the kubelet has not registered the driver"), "{told}");
    patiently("a metric counts it", || {
        replica.get("/metrics").unwrap().1.contains("entropool_nodes_unready 1")
    });
    register(&agent);
    labelled("ready");

    api.said(["delete", "csidriver", "csi.entropool.io"]).unwrap();
    labelled("starting");
    apply(api, DRIVER);
    labelled("ready");
    let socket = agent.kubelet_dir().join("plugins/csi.entropool.io/csi.sock");
    std::fs::remove_file(socket).unwrap();
    labelled("starting");
    patiently("kubectl shows it", || api.said(["describe", "node", "n3"]).unwrap().contains("NotRegistered"));
}

#[test]
fn a_pod_is_told_why_its_vm_is_not_moved_and_a_class_of_the_vms_that_outlive_it() {
    let scene = Scenario::set(&["only"]);
    let api = &scene.api;
    apply(api, &(pool("32Ki/s") + &class("slow", "rate: 1Ki/s") + &class("gold", "rate: 8Ki/s, maxVMs: 1")));
    scene.all_run("gold", "8Ki/s");
    until_condition(api, "eclass/gold", "Ready", "True AsPromised");
    scene.attach("first", "gold").unwrap();
    let launcher = "{apiVersion: v1, kind: Pod, metadata: {name: virt-launcher-web, labels: {entropool.io/vm: \"true\"}, annotations: \
                    {entropool.io/class: gold}}, spec: {nodeName: n1, automountServiceAccountToken: false, containers: [{name: compute, image: none}]}}";
    apply(api, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}}");
    apply(api, launcher);
    let uid = api.said(["get", "pod", "virt-launcher-web", "-o", "jsonpath={.metadata.uid}"]).unwrap();
    scene.attach(&uid, "slow").unwrap();
    let told = told_of(api, "Pod", "virt-launcher-web", "ClassFull");
    assert!(told.starts_with("not moved to class gold: "), "{told}");
    assert!(told.ends_with(". The move is retried every 30 seconds"), "{told}");

    api.said(["delete", "eclass", "gold"]).unwrap();
    let told = told_of(api, "EntropyClass", "gold", "Orphaned");
    assert!(told.starts_with("1 VM on 1 node (n1) still attached"), "{told}");
    scene.draws("first");
}

#[test]
fn an_alarm_of_a_source_is_an_event_of_its_pool_that_names_node_and_test() {
    let scene = Scenario::set(&["only"]);
    let api = &scene.api;
    let dir = tempfile::tempdir().unwrap();
    let noise = dir.path().join("noise");
    std::fs::write(&noise, [0; 10_000]).unwrap();
    let source = format!("{{name: noise, minEntropyPerByte: \"8\", file: {{path: {}}}}}", noise.display());
    apply(
        api,
        &format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: noisy}}, spec: {{output: \
             FullEntropy, rate: 1Ki/s, sources: [{source}]}}}}"
        ),
    );
    let told = told_of(api, "EntropyPool", "noisy", "HealthTestAlarm");
    assert!(told.starts_with("source noise on node n"), "{told}");
    let rest = "alarm 1 of its health tests: RepetitionCount, 11 at byte 0; it is off until a retest passes: see \
                `kubectl entropool sources`";
    assert!(told.ends_with(rest), "{told}");
    scene.agents[0].wait_for(&["sources"], "RepetitionCount").unwrap();
}
