//! What goes on when a part of entropool is away.

use entropool_tests::cluster::Kubernetes;

use crate::agents;
use crate::tenant::{Tenant, pool};
use crate::vm::{IDLE, Vm};

#[test]
fn pods_and_vms_that_come_and_go_without_an_agent_start_and_end_when_it_is_back() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "away", "defaultClass: away", "weight: 1").unwrap();
    let pods = Tenant::new(&cluster, "agentless").unwrap();
    Tenant::held_to(&cluster, "machines", "baseline").unwrap();
    for name in ["before", "gone"] {
        pods.pod(name, "away", "away").unwrap();
        pods.ready(name).unwrap();
    }
    let vm = |name| Vm::create(&cluster, "machines", name, "entropool.io/pool: away", IDLE).unwrap();
    let old = vm("old");
    old.up().unwrap();
    let gone = [pods.drawer("gone", "away").unwrap(), old.drawer("away").unwrap()];
    agents::only_on(&cluster, None).unwrap();

    cluster.said("-n agentless delete pod gone --wait=false").unwrap();
    cluster.said("-n machines delete vm old --wait=false").unwrap();
    pods.pod("new", "away", "away").unwrap();
    let new = vm("new");
    cluster.until_said("-n agentless get events", "FailedMount").unwrap();
    // Its node was heard a moment ago, or is known to be without an agent by now.
    let waits = |said: &str| said.contains("FailedMount") || said.contains("FailedScheduling");
    cluster
        .until("a VM that waits", |cluster| Ok(waits(&cluster.said("-n machines get events")?).then_some(())))
        .unwrap();
    agents::everywhere(&cluster).unwrap();

    pods.ready("new").unwrap();
    pods.read("new", 64).unwrap();
    // The directory that it has seen since it started has a new socket.
    cluster
        .until("a socket for the pod that was there before", |_| Ok(pods.read("before", 64).ok()))
        .unwrap();
    new.up().unwrap();
    for gone in gone {
        gone.until_gone(&cluster).unwrap();
    }
    pods.delete("--all").unwrap();
    new.delete().unwrap();
}

/// Its place was asked for when it was created, and nothing after that needs the controller.
#[test]
fn pods_that_exist_start_without_a_controller_and_others_are_not_created() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "alone", "", "weight: 1").unwrap();
    let tenant = Tenant::new(&cluster, "uncontrolled").unwrap();
    tenant.held_pod("reader", "alone", "alone").unwrap();
    cluster.scale_controller(0).unwrap();
    let refused = tenant.pod("late", "alone", "alone").unwrap_err().to_string();
    assert!(refused.contains("volumes.entropool.io"), "{refused}");
    tenant.release("reader").unwrap();
    tenant.ready("reader").unwrap();
    tenant.read("reader", 64).unwrap();
    cluster.scale_controller(1).unwrap();
    tenant.delete("--all").unwrap();
}
