//! `kubectl entropool`, found and called by `kubectl`.

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use entropool_tests::binary;

use super::server;

const OBJECTS: &str = "\
apiVersion: v1
kind: Node
metadata: {name: with-agent, labels: {entropool.io/agent: ready}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: planned}
spec: {rate: 64Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: planned-gold}
spec: {pool: planned, rate: 32Ki/s}
";

/// Runs `kubectl entropool` with that kubeconfig, and a file `edit.yaml` in its directory.
fn plugin(kubeconfig: &Path, words: &[&str], edit: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    symlink(binary::entropool().unwrap(), dir.path().join("kubectl-entropool")).unwrap();
    std::fs::write(dir.path().join("edit.yaml"), edit).unwrap();
    let inherited = env::var_os("PATH").unwrap();
    let paths = [dir.path().to_owned()].into_iter().chain(env::split_paths(&inherited));
    let mut command = server().kubectl_as(kubeconfig, ["entropool"].iter().chain(words));
    command.env("PATH", env::join_paths(paths).unwrap()).current_dir(dir.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn apply() {
    let output = server().feed(["apply", "--server-side", "--filename=-"], OBJECTS).unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn an_edit_of_a_clusters_objects_is_planned_without_being_made() {
    apply();
    let class = OBJECTS.split("---\n").last().unwrap();
    let admin = server().kubeconfig();
    let lower = plugin(&admin, &["plan", "--file", "edit.yaml"], &class.replace("32Ki/s", "16Ki/s"));
    assert!(lower.status.success(), "{}", said(&lower));
    let line = said(&lower).lines().find(|line| line.contains("planned-gold")).unwrap().to_owned();
    assert!(line.contains("loses") && line.contains("rate 32Ki/s -> 16Ki/s"), "{line}");

    let over = plugin(&admin, &["plan", "--file", "edit.yaml"], &class.replace("32Ki/s", "65Ki/s"));
    assert_eq!(over.status.code(), Some(1));
    assert!(said(&over).contains("65Ki/s is more than the 64Ki/s that pool planned has"), "{}", said(&over));

    let moved =
        plugin(&admin, &["plan", "--file", "edit.yaml"], &class.replace("pool: planned,", "pool: other,"));
    assert!(
        said(&moved).contains("EntropyClass planned-gold: spec.pool: the pool of a class cannot be changed"),
        "{}",
        said(&moved)
    );
    let rate = server().said(["get", "eclass", "planned-gold", "--output=jsonpath={.spec.rate}"]).unwrap();
    assert_eq!(rate, "32Ki/s");
}

#[test]
fn objects_are_listed_with_the_callers_own_rights() {
    apply();
    let listed = plugin(&server().kubeconfig(), &["classes", "--pool", "planned"], "");
    let text = said(&listed);
    assert!(listed.status.success() && text.contains("planned-gold"), "{text}");
    let document = plugin(&server().kubeconfig(), &["pools", "--output", "json"], "");
    let document: serde_json::Value = serde_json::from_slice(&document.stdout).unwrap();
    assert!(document["pools"].as_array().unwrap().iter().any(|pool| pool["metadata"]["name"] == "planned"));

    let stranger = server().user("stranger", "none").unwrap();
    let refused = plugin(&stranger, &["pools"], "");
    assert_eq!(refused.status.code(), Some(1));
    let text = said(&refused);
    assert!(text.contains("cannot list entropypools") && text.contains("forbidden"), "{text}");
}

const LAUNCHER: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: default}
---
apiVersion: v1
kind: Pod
metadata:
  name: virt-launcher-web-x
  labels: {kubevirt.io: virt-launcher, vm.kubevirt.io/name: web, entropool.io/vm: \"true\"}
  annotations: {entropool.io/pool: planned, entropool.io/class: planned-gold}
spec:
  nodeName: with-agent
  containers: [{name: compute, image: none}]
";

#[test]
fn a_vm_is_moved_by_what_its_launcher_pod_says() {
    apply();
    let made = server().feed(["apply", "--server-side", "--filename=-"], LAUNCHER).unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let moved = plugin(&server().kubeconfig(), &["move", "web", "planned-silver"], "");
    assert!(moved.status.success() && moved.stdout.is_empty(), "{}", said(&moved));
    let path = r"--output=jsonpath={.metadata.annotations.entropool\.io/class}";
    assert_eq!(server().said(["get", "pod", "virt-launcher-web-x", path]).unwrap(), "planned-silver");

    let nobody = plugin(&server().kubeconfig(), &["move", "nobody", "planned-silver"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        said(&nobody).contains("there is no running VM and no pod nobody in this namespace"),
        "{}",
        said(&nobody)
    );
    // There is no kubelet here, so no agent runs.
    let alone = plugin(&server().kubeconfig(), &["explain", "web"], "");
    assert!(
        said(&alone).contains("node with-agent has no agent in namespace entropool-system"),
        "{}",
        said(&alone)
    );
}

#[test]
fn nodes_with_an_agent_are_listed_and_a_cluster_without_a_controller_is_told_so() {
    apply();
    let nodes = plugin(&server().kubeconfig(), &["nodes"], "");
    let text = said(&nodes);
    assert!(text.lines().any(|line| line.split_whitespace().eq(["with-agent", "ready"])), "{text}");

    let check = plugin(&server().kubeconfig(), &["check"], "");
    let text = said(&check);
    assert_eq!(check.status.code(), Some(1), "{text}");
    for line in [
        "ok        kinds",
        "ok        nodes",
        "error     controller   no controller has ever led here",
        "error     csi-driver   there is no CSIDriver csi.entropool.io",
        "ok        kubevirt",
        "pool planned has no status yet",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let vms = plugin(&server().kubeconfig(), &["vms"], "");
    assert!(
        said(&vms).contains("there are no agents in namespace entropool-system: install the chart"),
        "{}",
        said(&vms)
    );
}

const LEASE: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: another-system}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: entropool-controller, namespace: another-system}
spec: {holderIdentity: far-off, leaseDurationSeconds: 3}
";

/// Has a holder whose clock is far off renew its Lease, the so manieth time.
fn renew(year: u32, count: u32) {
    let (minute, second) = (count / 60, count % 60);
    let renewed =
        format!(r#"{{"spec": {{"renewTime": "20{year}-01-01T00:{minute:02}:{second:02}.000000Z"}}}}"#);
    let lease = ["patch", "lease", "entropool-controller", "--namespace", "another-system", "--type=merge"];
    server().said(lease.iter().copied().chain(["--patch", &renewed])).unwrap();
}

#[test]
fn whether_a_controller_leads_is_told_by_no_clock() {
    let made = server().feed(["apply", "--server-side", "--filename=-"], LEASE).unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let check =
        || said(&plugin(&server().kubeconfig(), &["check", "--system-namespace", "another-system"], ""));
    // Of the past, and of the future.
    for year in [19, 99] {
        let over = AtomicBool::new(false);
        let told = thread::scope(|scope| {
            scope.spawn(|| {
                (0..1_000).take_while(|_| !over.load(Ordering::Relaxed)).for_each(|count| renew(year, count));
            });
            let told = check();
            over.store(true, Ordering::Relaxed);
            told
        });
        assert!(told.contains("ok        controller   far-off leads"), "{told}");
    }
    let told = check();
    assert!(
        told.contains("error     controller   controller far-off did not renew its Lease for 3 s"),
        "{told}"
    );
}
