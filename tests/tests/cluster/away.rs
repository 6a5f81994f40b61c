//! What goes on when a part of entropool is away.

use anyhow::Result;
use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};

const SYSTEM: &str = "-n entropool-system";

/// Takes the agent off every node, or lets it back.
fn agents(cluster: &Kubernetes, away: bool) -> Result<()> {
    let value = if away { r#"{"nowhere":"yes"}"# } else { "null" };
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"nodeSelector":{value}}}}}}}}}"#);
    cluster.said(&format!("{SYSTEM} patch daemonset entropool-agent --type=merge -p {patch}"))?;
    if away {
        let listed = format!("{SYSTEM} get pods -l app.kubernetes.io/component=agent -o name");
        cluster.until("no agent", |cluster| Ok(cluster.said(&listed)?.trim().is_empty().then_some(())))
    } else {
        cluster.said(&format!("{SYSTEM} rollout status daemonset/entropool-agent --timeout=120s")).map(drop)
    }
}

#[test]
fn pods_that_come_and_go_without_an_agent_are_served_and_forgotten_when_it_is_back() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "away", "", "weight: 1").unwrap();
    let tenant = Tenant::new(&cluster, "agentless").unwrap();
    tenant.pod("before", "away", "away").unwrap();
    tenant.ready("before").unwrap();
    tenant.pod("gone", "away", "away").unwrap();
    tenant.ready("gone").unwrap();
    let gone = tenant.uid("gone").unwrap();
    agents(&cluster, true).unwrap();

    cluster.said("-n agentless delete pod gone --wait=false").unwrap();
    tenant.pod("new", "away", "away").unwrap();
    cluster.until_said("-n agentless get events", "FailedMount").unwrap();
    agents(&cluster, false).unwrap();

    tenant.ready("new").unwrap();
    tenant.read("new", 64).unwrap();
    // The directory that it has seen since it started has a new socket.
    cluster
        .until("a socket for the pod that was there before", |_| Ok(tenant.read("before", 64).ok()))
        .unwrap();
    cluster.said("-n agentless wait pod/gone --for=delete --timeout=180s").unwrap();
    assert!(!cluster.ask(&["vms", "-o", "json"]).unwrap().contains(&gone));
    tenant.delete("--all").unwrap();
}

#[test]
fn new_pods_of_known_classes_need_no_controller() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "alone", "", "weight: 1").unwrap();
    let tenant = Tenant::new(&cluster, "uncontrolled").unwrap();
    cluster.scale_controller(0).unwrap();
    tenant.pod("reader", "alone", "alone").unwrap();
    tenant.ready("reader").unwrap();
    tenant.read("reader", 64).unwrap();
    cluster.scale_controller(1).unwrap();
    tenant.delete("--all").unwrap();
}
