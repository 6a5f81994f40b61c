//! A tenant who tries all that a tenant may, in an order that follows from a seed.

use std::io::Write;
use std::process::{Output, Stdio};

use entropool_tests::cluster::Kubernetes;
use serde_json::{Value, json};
use soak::{Rng, Run};

use crate::tenant::{Tenant, pool};

const NAMESPACE: &str = "fuzz";
/// What the namespace may have of class fuzz, and how many slots each node has of it.
const QUOTA: u64 = 2;
const SLOTS: &str = "3";
/// Pods at a time: a node has not the memory for hundreds.
const PODS: usize = 6;
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: fuzz}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}]
";
const VM: &str = "entropool.io/vm";
const BOUND: &str = "entropool.io/bound";
const SLOT: &str = "entropool.io/fuzz";

struct Fuzzer<'a> {
    cluster: &'a Kubernetes,
    dice: Rng,
    created: u32,
    refused: u64,
}

/// What the tenant does.
#[derive(Debug)]
enum Step {
    Create(Value),
    /// A merge patch of a pod.
    Patch(String, Value),
    Delete(String),
}

impl Fuzzer<'_> {
    fn choose(&mut self, pods: &[Value]) -> Step {
        let names: Vec<String> = pods.iter().map(name).collect();
        if names.is_empty() || (names.len() < PODS && self.dice.once_in(2)) {
            self.created += 1;
            return Step::Create(written(&mut self.dice, self.created));
        }
        let pod = self.dice.pick(&names).clone();
        match self.dice.below(8) {
            0 | 1 => Step::Delete(pod),
            2 => Step::Patch(
                pod,
                json!({"metadata": {"labels": {VM: self.dice.pick(&[json!("false"), Value::Null])}}}),
            ),
            3 => Step::Patch(
                pod,
                json!({"metadata": {"annotations": {BOUND: self.dice.pick(&[json!("{}"), Value::Null])}}}),
            ),
            4 => Step::Patch(pod, json!({"metadata": {"labels": {"kubevirt.io": "virt-launcher"}}})),
            5 => Step::Patch(pod, json!({"metadata": {"annotations": {"entropool.io/pool": "fuzz"}}})),
            6 => Step::Patch(pod, json!({"spec": {"volumes": []}})),
            _ => {
                let class = *self.dice.pick(&["fuzz", "loose", "none"]);
                Step::Patch(pod, json!({"metadata": {"annotations": {"entropool.io/class": class}}}))
            }
        }
    }

    /// Tries it as the tenant, who may be refused.
    fn take(&mut self, step: &Step) {
        let taken = match step {
            Step::Create(pod) => self.feed(&["create", "-f", "-"], &pod.to_string()),
            Step::Patch(pod, patch) => {
                let patch = patch.to_string();
                self.feed(&["patch", "pod", pod, "--type=merge", "-p", &patch], "")
            }
            Step::Delete(pod) => self.feed(&["delete", "pod", pod, "--wait=false"], ""),
        };
        if !taken.status.success() {
            self.refused += 1;
            let error = String::from_utf8_lossy(&taken.stderr);
            // A kubelet may have ended a pod a moment ago.
            let refused = ["denied", "exceeded quota", "forbidden", "Invalid value", "invalid", "not found"];
            assert!(refused.iter().any(|it| error.contains(it)), "{step:?}: {error}");
        }
    }

    fn feed(&self, words: &[&str], input: &str) -> Output {
        let tenant = ["--as=tenant", "--as-group=system:authenticated", "-n", NAMESPACE];
        let mut command = self.cluster.kubectl(tenant.iter().chain(words));
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn pods(&self) -> Vec<Value> {
        let list = self.cluster.said(&format!("-n {NAMESPACE} get pods -o json")).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The scheduler sees the slots that there are, and the agent serves the pods that run and no other.
    fn settle(&self) {
        let slots = "get node node1 -o jsonpath={.status.allocatable.entropool\\.io/fuzz}";
        self.cluster.until_said(slots, SLOTS).unwrap();
        let same = |cluster: &Kubernetes| {
            let attached: Value = serde_json::from_str(&cluster.ask(&["vms", "-o", "json"])?)?;
            let here = |vm: &&Value| vm["namespace"] == NAMESPACE;
            let mut attached: Vec<String> =
                rows(&attached).iter().filter(here).map(|vm| text(&vm["name"])).collect();
            let with_volume =
                |pod: &&Value| volumes(pod) > 0 && pod["metadata"]["deletionTimestamp"].is_null();
            let is_up = |pod: &&Value| pod["status"]["phase"] == "Running";
            let pods = self.pods();
            let mut running: Vec<String> = pods
                .iter()
                .filter(with_volume)
                .filter(is_up)
                .map(|pod| text(&pod["metadata"]["uid"]))
                .collect();
            attached.sort();
            running.sort();
            Ok((attached == running).then_some(()))
        };
        self.cluster.until("an agent that serves what runs", same).unwrap();
    }
}

/// A table of the local API is a list, or has one.
fn rows(table: &Value) -> Vec<Value> {
    let list = table.as_array().or_else(|| table["vms"].as_array());
    list.cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn name(pod: &Value) -> String {
    text(&pod["metadata"]["name"])
}

fn volumes(pod: &Value) -> usize {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter(|volume| volume["csi"]["driver"] == "csi.entropool.io").count()
}

fn requested(pod: &Value) -> u64 {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let count = |container: &Value| {
        let quantity = &container["resources"]["requests"][SLOT];
        quantity.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    containers.map(count).sum::<u64>()
}

/// A pod as its author writes it, with claims that are not his to make.
fn written(dice: &mut Rng, number: u32) -> Value {
    let mut attributes = json!({"entropool.io/pool": dice.pick(&["fuzz", "fuzz", "fuzz", "none"])});
    if !dice.once_in(3) {
        attributes["entropool.io/class"] = json!(dice.pick(&["fuzz", "fuzz", "loose", "none"]));
    }
    if dice.once_in(3) {
        attributes["client"] = json!(dice.pick(&["qemu", "egd", "tenant"]));
    }
    let csi =
        json!({"driver": "csi.entropool.io", "readOnly": !dice.once_in(8), "volumeAttributes": attributes});
    let count = *dice.pick(&[0, 1, 1, 1, 1, 2]);
    let volumes: Vec<_> = (0..count).map(|at| json!({"name": format!("v{at}"), "csi": csi})).collect();
    let mounts: Vec<_> = (0..count)
        .map(|at| json!({"name": format!("v{at}"), "mountPath": format!("/v{at}"), "readOnly": true}))
        .collect();
    let mut metadata = json!({"name": format!("p{number}"), "namespace": NAMESPACE});
    match dice.below(8) {
        0 => metadata["labels"] = json!({VM: "true"}),
        1 => metadata["annotations"] = json!({BOUND: "{}"}),
        2 => metadata["annotations"] = json!({"entropool.io/class": "fuzz"}),
        3 => {
            metadata["labels"] = json!({"kubevirt.io": "virt-launcher"});
            metadata["annotations"] = json!({"entropool.io/pool": "fuzz"});
        }
        _ => {}
    }
    let resources = match dice.below(8) {
        0 => json!({"requests": {SLOT: "0"}, "limits": {SLOT: "0"}}),
        1 => json!({"requests": {SLOT: "1"}, "limits": {SLOT: "1"}}),
        2 => json!({"requests": {SLOT: "1k"}, "limits": {SLOT: "1k"}}),
        _ => json!({}),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "nodeSelector": {"kubernetes.io/hostname": "node1"},
            "containers": [{
                "name": "compute", "image": "localhost/entropool/cli:1", "imagePullPolicy": "Never",
                "command": ["/busybox", "sleep", "infinity"], "resources": resources, "volumeMounts": mounts,
            }],
            "volumes": volumes,
        },
    })
}

/// What holds of all pods of the namespace, whatever its tenant has tried.
fn check(pods: &[Value], step: &Step) {
    for pod in pods {
        let metadata = &pod["metadata"];
        let (label, bound) = (&metadata["labels"][VM], &metadata["annotations"][BOUND]);
        match volumes(pod) {
            0 => assert!(label.is_null() && bound.is_null(), "{step:?}: {pod:#}"),
            1 => assert!(*label == "true" && bound.is_string(), "{step:?}: {pod:#}"),
            _ => panic!("{step:?}: a pod has two volumes: {pod:#}"),
        }
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let class =
            volumes.filter_map(|it| it["csi"]["volumeAttributes"]["entropool.io/class"].as_str()).next();
        assert!(
            class != Some("fuzz") || requested(pod) > 0,
            "{step:?}: a pod took a slot and asked for none: {pod:#}"
        );
    }
    let used: u64 = pods.iter().map(requested).sum();
    assert!(used <= QUOTA, "{step:?}: the namespace has {used} slots");
}

#[test]
fn whatever_a_tenant_does_slots_and_quotas_are_true() {
    let mut run = Run::begin("tenant-fuzz", 200, 3_000);
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "fuzz", "defaultClass: fuzz", "maxVMs: 3").unwrap();
    let loose = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: loose}, spec: {pool: fuzz}}";
    cluster.apply(loose).unwrap();
    cluster.said("wait --for=condition=Ready --timeout=120s eclass/loose").unwrap();
    let tenant = Tenant::held_to(&cluster, NAMESPACE, "privileged").unwrap();
    cluster.apply(RIGHTS).unwrap();
    tenant.quota("fuzz", u32::try_from(QUOTA).unwrap()).unwrap();
    cluster.until_said("-n fuzz get quota one -o jsonpath={.status.hard}", "fuzz").unwrap();

    let mut fuzzer = Fuzzer { cluster: &cluster, dice: run.dice(), created: 0, refused: 0 };
    let mut pods = Vec::new();
    for step in 1..=run.count() {
        let chosen = fuzzer.choose(&pods);
        fuzzer.take(&chosen);
        pods = fuzzer.pods();
        check(&pods, &chosen);
        if step % 50 == 0 {
            fuzzer.settle();
        }
    }
    // Both happened, or nothing was tried.
    assert!(fuzzer.refused > run.count() / 10 && u64::from(fuzzer.created) > run.count() / 10);
    run.figure("created", u64::from(fuzzer.created));
    run.figure("refused", fuzzer.refused);
    tenant.delete("--all").unwrap();
    cluster.said("delete eclass loose").unwrap();
}
