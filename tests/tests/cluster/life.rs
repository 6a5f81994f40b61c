//! What a guest that always reads notices of its node's agent: its crashes, its restarts, another class.

use std::time::Duration;

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};
use crate::vm::{FLOOD, Vm, longest_wait, pace};

/// What a guest that always reads may wait for the next 64 bytes after a crash.
const CRASH: Duration = Duration::from_millis(2500);
/// And in a planned restart: half a second, beside what a guest under software emulation loses on a busy machine.
const PLANNED: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(4);
/// Ends the process that serves, which is the child of the container's first.
const CRASHES: &str = "kill -KILL $(pgrep -P $(pgrep -o -x entropool-agent))";

#[test]
fn no_read_waits_long_while_the_agent_is_killed_restarted_and_upgraded() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "steady", "defaultClass: steady", "ceil: 2Ki/s").unwrap();
    Tenant::held_to(&cluster, "reading", "baseline").unwrap();
    let vm = Vm::create(&cluster, "reading", "web", "entropool.io/pool: steady", FLOOD).unwrap();
    vm.up().unwrap();
    let quiet = longest_wait(&vm.counts_for(WATCHED).unwrap()).unwrap();

    let killed = vm.while_it_counts(WATCHED, || {
        for _ in 0..3 {
            cluster.on_node(&["sh", "-c", CRASHES])?;
            vm.counts_for(WATCHED)?;
        }
        Ok(())
    });
    let restarted = vm.while_it_counts(WATCHED, || {
        cluster.said("-n entropool-system rollout restart daemonset/entropool-agent")?;
        cluster.said("-n entropool-system rollout status daemonset/entropool-agent --timeout=120s").map(drop)
    });
    let upgraded = vm.while_it_counts(WATCHED, || {
        cluster.install(&["--set", "controller.replicas=1", "--set", "agent.logLevel=warn"])?;
        cluster.said("-n entropool-system rollout status daemonset/entropool-agent --timeout=120s").map(drop)
    });
    let [killed, restarted, upgraded] =
        [killed, restarted, upgraded].map(|counts| longest_wait(&counts.unwrap()).unwrap());
    println!(
        "longest waits: {quiet:?} quiet, {killed:?} killed, {restarted:?} restarted, {upgraded:?} upgraded"
    );
    assert!(
        killed < CRASH && restarted < PLANNED && upgraded < PLANNED,
        "{killed:?}, {restarted:?}, {upgraded:?}"
    );
    vm.delete().unwrap();
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
    cluster.said(&format!("-n moving annotate --overwrite pod {pod} entropool.io/class=faster")).unwrap();
    cluster
        .until("a faster guest", |_| Ok((pace(&vm.counts_for(WATCHED)?)? > 3800.0).then_some(())))
        .unwrap();
    vm.delete().unwrap();
}
