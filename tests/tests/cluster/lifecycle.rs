//! What a guest that always reads notices of its node's agent: its crashes, its restarts, another class.

use std::time::Duration;

use anyhow::Result;
use entropool_tests::cluster::Kubernetes;

use crate::agents;
use crate::cli::said;
use crate::tenant::{Tenant, pool};
use crate::vm::{FLOOD, Vm, longest_wait, pace};

/// What a guest that always reads may wait for the next 64 bytes after a crash.
const CRASH: Duration = Duration::from_millis(2500);
/// And in a planned restart, beside what this guest waits for when nothing happens.
const PLANNED: Duration = Duration::from_millis(500);
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn no_read_waits_long_while_the_agent_is_killed_restarted_and_upgraded_and_the_kubelet_killed() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "steady", "defaultClass: steady", "ceil: 2Ki/s").unwrap();
    let tenant = Tenant::held_to(&cluster, "reading", "baseline").unwrap();
    let vm = Vm::create(&cluster, "reading", "web", "entropool.io/pool: steady", FLOOD).unwrap();
    vm.up().unwrap();
    let quiet = longest_wait(&vm.counts_for(WATCHED).unwrap()).unwrap();

    let killed = vm.while_it_counts(WATCHED, || {
        for _ in 0..3 {
            agents::crash(&cluster, "node1")?;
            vm.counts_for(WATCHED)?;
        }
        Ok(())
    });
    let restarted = vm.while_it_counts(WATCHED, || agents::restart(&cluster));
    let upgraded = vm.while_it_counts(WATCHED, || {
        cluster.install(&["--set", "controller.replicas=1", "--set", "agent.logLevel=warn"])?;
        agents::rolled_out(&cluster)
    });
    let with_another_kubelet = vm.while_it_counts(WATCHED, || {
        another_kubelet(&cluster)?;
        // It has to be told of the driver anew before it can have a volume made.
        tenant.pod("reader", "steady", "steady")?;
        tenant.ready("reader")
    });
    let [killed, restarted, upgraded, with_another_kubelet] =
        [killed, restarted, upgraded, with_another_kubelet]
            .map(|counts| longest_wait(&counts.unwrap()).unwrap());
    println!(
        "longest waits: {quiet:?} quiet, {killed:?} killed, {restarted:?} restarted, {upgraded:?} upgraded, \
         {with_another_kubelet:?} with another kubelet"
    );
    assert!(killed < CRASH, "{killed:?}");
    for wait in [restarted, upgraded, with_another_kubelet] {
        assert!(wait < PLANNED + quiet, "{wait:?}");
    }
    tenant.read("reader", 64).unwrap();
    tenant.delete("reader").unwrap();
    vm.delete().unwrap();
}

/// Kills the node's kubelet, and waits until there is another.
fn another_kubelet(cluster: &Kubernetes) -> Result<()> {
    let kubelet = || cluster.on_node(&["pgrep", "-o", "-x", "kubelet"]);
    let first = kubelet()?;
    cluster.on_node(&["kill", "-KILL", first.trim()])?;
    cluster.until("another kubelet", |_| Ok((kubelet()? != first).then_some(())))
}

#[test]
fn a_class_that_is_written_on_the_pod_is_the_vms_at_once() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "first", "defaultClass: first", "ceil: 1Ki/s").unwrap();
    cluster
        .apply(
            "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: faster}\nspec: {pool: first, ceil: 4Ki/s}\n",
        )
        .unwrap();
    cluster.said("wait --for=condition=Ready --timeout=60s eclass/faster").unwrap();
    Tenant::held_to(&cluster, "moving", "baseline").unwrap();
    let vm = Vm::create(&cluster, "moving", "web", "entropool.io/pool: first", FLOOD).unwrap();
    vm.up().unwrap();
    vm.counts_for(WATCHED).unwrap();
    let before = pace(&vm.counts_for(WATCHED).unwrap()).unwrap();
    assert!((900.0..1150.0).contains(&before), "{before} bytes/s");

    let pod = vm.pod().unwrap();
    let write =
        |class: &str| cluster.said(&format!("-n moving annotate --overwrite pod {pod} entropool.io/{class}"));
    let refused = write("class=nonsense").unwrap_err().to_string();
    assert!(refused.contains("pool first has no class nonsense"), "{refused}");
    let refused = write("pool=another").unwrap_err().to_string();
    assert!(refused.contains("this VM uses pool first"), "{refused}");
    said(&cluster, "move web faster -n moving");
    cluster
        .until("a faster guest", |_| Ok((pace(&vm.counts_for(WATCHED)?)? > 3800.0).then_some(())))
        .unwrap();
    assert_eq!(vm.bound().unwrap(), r#"{"class":"faster","injection":"sidecar","pool":"first"}"#);

    said(&cluster, "detach web -n moving");
    let cut = vm.counts().unwrap().len();
    vm.while_it_counts(Duration::from_secs(2), || {
        // A configuration that comes into force gives every pod its socket that has none.
        pool(&cluster, "first", "defaultClass: first", "ceil: 3Ki/s")
    })
    .unwrap();
    let after = vm.counts().unwrap().split_off(cut);
    assert_eq!(
        after.first().map(|count| count.bytes),
        after.last().map(|count| count.bytes),
        "it is cut off"
    );
    vm.delete().unwrap();
}
