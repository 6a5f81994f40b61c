//! The end of an installation, under VMs and without, and the next one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use entropool_tests::cluster::Kubernetes;

use crate::agents;
use crate::cli::{plugin, said};
use crate::tenant::{Tenant, pool};
use crate::vm::{FLOOD, IDLE, Vm, longest_wait};

/// After which an installation that follows another serves a new pod.
const USABLE: Duration = Duration::from_secs(10);

fn install(cluster: &Kubernetes) -> Result<()> {
    cluster.install(&["--set", "controller.replicas=1"])?;
    agents::rolled_out(cluster)
}

/// Nothing of entropool is in its namespace, or on the nodes.
fn nothing_is_left(cluster: &Kubernetes) -> Result<()> {
    let gone = |cluster: &Kubernetes| {
        let left = cluster
            .said("-n entropool-system get deploy,ds,job,pod,secret,cm,sa,lease,role,rolebinding -o name")?;
        Ok((!left.contains("entropool")).then_some(()))
    };
    cluster.until("a namespace without entropool", gone)?;
    let nodes = cluster.said("get nodes -o json")?;
    anyhow::ensure!(!nodes.contains("entropool.io/"), "{nodes}");
    let wide = "get clusterrole,clusterrolebinding,csidriver,mutatingwebhookconfiguration,validatingwebhookconfiguration -o name";
    let wide = cluster.said(wide)?;
    anyhow::ensure!(!wide.contains("entropool"), "{wide}");
    Ok(())
}

/// Installs, and says how long it took until a new pod read.
fn usable(cluster: &Kubernetes, tenant: &Tenant<'_>) -> Result<Duration> {
    let from = Instant::now();
    install(cluster)?;
    let created = |_: &Kubernetes| Ok(tenant.pod("first", "kept", "kept").ok());
    cluster.until("a pod that is created", created)?;
    tenant.ready("first")?;
    tenant.read("first", 64)?;
    let took = from.elapsed();
    tenant.delete("first")?;
    Ok(took)
}

#[test]
fn an_uninstallation_is_refused_while_a_vm_draws_and_leaves_nothing_after_it_and_the_next_is_usable_at_once()
{
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "kept", "defaultClass: kept", "weight: 1").unwrap();
    let tenant = Tenant::held_to(&cluster, "staying", "baseline").unwrap();
    let vm = Vm::create(&cluster, "staying", "web", "entropool.io/pool: kept", IDLE).unwrap();
    vm.up().unwrap();
    let sentence = "1 VM in 1 namespace still uses entropool: staying/web";
    let refused = cluster.helm("uninstall entropool --timeout 120s").unwrap_err().to_string();
    assert!(refused.contains("entropool-uninstall"), "{refused}");
    let log = cluster.said("-n entropool-system logs job/entropool-uninstall").unwrap();
    assert!(log.contains(sentence), "{log}");
    let check = plugin(&cluster, "uninstall --check");
    assert!(!check.status.success() && String::from_utf8_lossy(&check.stderr).contains(sentence));
    // Helm upgrades no release that it was to uninstall, before it is rolled back.
    let history = cluster.helm("history entropool --max 1 -o json").unwrap();
    let newest = history.split("\"revision\":").nth(1).unwrap().split(',').next().unwrap();
    cluster.helm(&format!("rollback entropool {newest} --wait --timeout 120s")).unwrap();
    assert!(cluster.helm("status entropool").unwrap().contains("STATUS: deployed"));
    tenant.pod("reader", "kept", "kept").unwrap();
    tenant.ready("reader").unwrap();
    tenant.delete("reader").unwrap();

    vm.delete().unwrap();
    cluster.helm("uninstall entropool --timeout 120s").unwrap();
    nothing_is_left(&cluster).unwrap();
    assert!(cluster.said("get epool -o name").unwrap().contains("kept"));
    let took = usable(&cluster, &tenant).unwrap();
    println!("usable after {took:?}");
    assert!(took < USABLE, "{took:?}");
}

#[test]
fn forced_under_a_vm_that_draws_it_leaves_agents_until_the_vm_has_ended() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "forced", "defaultClass: forced", "ceil: 2Ki/s").unwrap();
    Tenant::held_to(&cluster, "left", "baseline").unwrap();
    let vm = Vm::create(&cluster, "left", "web", "entropool.io/pool: forced", FLOOD).unwrap();
    vm.up().unwrap();
    let quiet = longest_wait(&vm.counts_for(Duration::from_secs(4)).unwrap()).unwrap();
    let counts = vm.while_it_counts(Duration::from_secs(4), || {
        let told = said(&cluster, "uninstall --force --yes");
        anyhow::ensure!(
            told.contains("Staying: 1 VM in 1 namespace still uses entropool: left/web"),
            "{told}"
        );
        cluster.helm("uninstall entropool --no-hooks --wait --timeout 120s").map(drop)
    });
    let wait = longest_wait(&counts.unwrap()).unwrap();
    println!("longest waits: {quiet:?} quiet, {wait:?} while it is uninstalled");
    assert!(wait < quiet + Duration::from_millis(500), "{wait:?}");
    let drawer = vm.drawer("forced").unwrap();
    vm.delete().context("a VM that ends under the agents that stayed").unwrap();
    drawer.until_gone(&cluster).unwrap();
    let told = said(&cluster, "uninstall --yes");
    assert!(told.contains("DaemonSet entropool-remaining"), "{told}");
    nothing_is_left(&cluster).unwrap();
    install(&cluster).unwrap();
}

#[test]
fn an_installation_whose_images_cannot_be_pulled_can_be_uninstalled() {
    let cluster = Kubernetes::alone().unwrap();
    let broken = "--reuse-values --set controller.image=nowhere:1 --set agent.image=nowhere:1 --set uninstall.timeoutSeconds=10";
    let chart = entropool_tests::cluster::chart();
    cluster.helm(&format!("upgrade entropool {} {broken}", chart.display())).unwrap();
    let failed = cluster.helm("uninstall entropool --timeout 60s").unwrap_err().to_string();
    assert!(failed.contains("entropool-uninstall"), "{failed}");
    let told = said(&cluster, "uninstall --yes");
    assert!(told.contains("--no-hooks"), "{told}");
    cluster.helm("uninstall entropool --no-hooks --wait --timeout 120s").unwrap();
    nothing_is_left(&cluster).unwrap();
    install(&cluster).unwrap();
}

/// As somebody does who knows nothing of all this: the pods end once there are agents again.
#[test]
fn pods_that_cannot_end_without_agents_end_when_the_chart_is_installed_again() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "stranded", "defaultClass: stranded", "weight: 1").unwrap();
    let tenant = Tenant::new(&cluster, "stranded").unwrap();
    tenant.pod("reader", "stranded", "stranded").unwrap();
    tenant.ready("reader").unwrap();
    cluster.helm("uninstall entropool --no-hooks --wait --timeout 120s").unwrap();
    cluster.said("-n stranded delete pod reader --wait=false").unwrap();
    install(&cluster).unwrap();
    cluster.said("-n stranded wait pod/reader --for=delete --timeout=120s").unwrap();
}
