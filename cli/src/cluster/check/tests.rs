#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use api::{EntropyClass, EntropyPool};
use proto::local::{Serving, SourceState};
use serde_json::{Value, json};

use super::inputs::{ClusterInputs, CsiDriverState};
use super::leader::Leader;
use super::rules::cluster;
use crate::check::{CheckLevel, CheckResult, DaemonState};
use crate::output::samples;

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}]})
}

fn pool(status: &Value) -> EntropyPool {
    let object = json!({"apiVersion": "entropool.io/v1alpha1", "kind": "EntropyPool", "metadata": {"name": "default"},
        "spec": {}, "status": status});
    serde_json::from_value(object).unwrap()
}

fn class(status: &Value) -> EntropyClass {
    let object = json!({"apiVersion": "entropool.io/v1alpha1", "kind": "EntropyClass", "metadata": {"name": "gold"},
        "spec": {"pool": "default"}, "status": status});
    serde_json::from_value(object).unwrap()
}

fn kubevirt(version: &str, gates: &[&str]) -> Value {
    json!({"spec": {"configuration": {"developerConfiguration": {"featureGates": gates}}},
        "status": {"observedKubeVirtVersion": version}})
}

fn daemon() -> DaemonState {
    DaemonState { pools: vec![samples::pool()], ..DaemonState::default() }
}

/// A cluster without problems.
fn healthy() -> ClusterInputs {
    let good = ready("True", "AsPromised", "");
    ClusterInputs {
        pools: Ok(vec![pool(&good)]),
        classes: Ok(vec![class(&good)]),
        leader: Ok(Some(Leader { name: "controller-1".into(), silent: None })),
        nodes: Ok(vec![("n1".into(), "ready".into()), ("n2".into(), "ready".into())]),
        driver: Ok(Some(CsiDriverState { pod_info_on_mount: true, ephemeral: true })),
        webhooks: Ok([Some(true), Some(true)]),
        kubevirt: Ok(Some(kubevirt("v1.6.0", &["Sidecar"]))),
        agents: Ok(vec![("n1".into(), Ok(daemon())), ("n2".into(), Ok(daemon()))]),
    }
}

/// The one result that is not ok after `damage`.
fn only_problem(damage: impl FnOnce(&mut ClusterInputs)) -> CheckResult {
    let mut inputs = healthy();
    damage(&mut inputs);
    let mut found = cluster(&inputs);
    found.retain(|result| result.level != CheckLevel::Ok);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn agent(inputs: &mut ClusterInputs) -> &mut DaemonState {
    inputs.agents.as_mut().unwrap()[1].1.as_mut().unwrap()
}

#[test]
fn healthy_cluster_passes_all_checks() {
    let found = cluster(&healthy());
    assert!(found.iter().all(|result| result.level == CheckLevel::Ok), "{found:#?}");
}

/// Each check fails once, and no other one fails with it.
#[test]
fn every_check_finds_its_problem() {
    let found = [
        only_problem(|it| it.pools = Err("cannot list entropypools: NotFound (404)".into())),
        only_problem(|it| {
            it.pools = Ok(vec![pool(&ready("False", "UnknownClass", "there is no class shared"))]);
        }),
        only_problem(|it| it.classes = Ok(vec![class(&json!({}))])),
        only_problem(|it| {
            it.classes = Ok(vec![class(&ready("Unknown", "Pending", "n2 has not answered yet"))]);
        }),
        only_problem(|it| it.leader = Ok(None)),
        only_problem(|it| it.leader.as_mut().unwrap().as_mut().unwrap().silent = Some(4)),
        only_problem(|it| it.leader = Err("cannot get the Lease of the controller: Forbidden (403)".into())),
        only_problem(|it| it.nodes = Ok(Vec::new())),
        only_problem(|it| it.nodes.as_mut().unwrap()[0].1 = "away".into()),
        only_problem(|it| it.driver = Ok(None)),
        only_problem(|it| it.driver = Ok(Some(CsiDriverState { pod_info_on_mount: false, ephemeral: true }))),
        only_problem(|it| it.driver = Ok(Some(CsiDriverState { pod_info_on_mount: true, ephemeral: false }))),
        only_problem(|it| it.webhooks = Ok([None, Some(true)])),
        only_problem(|it| it.webhooks = Ok([Some(true), Some(false)])),
        only_problem(|it| it.kubevirt = Ok(Some(kubevirt("v1.6.0", &[])))),
        only_problem(|it| it.kubevirt = Err("cannot list KubeVirt objects: Forbidden (403)".into())),
        only_problem(|it| {
            it.agents = Err("cannot list the agents' pods in namespace entropool-system".into());
        }),
        only_problem(|it| {
            it.agents.as_mut().unwrap()[0].1 =
                Err("cannot forward a port of pod a in namespace entropool-system".into());
        }),
        only_problem(|it| agent(it).pools[0].output.as_mut().unwrap().set_serving(Serving::Starting)),
        only_problem(|it| {
            let mut sources = samples::sources();
            sources.retain(|source| source.state() == SourceState::Failed);
            agent(it).sources = sources;
        }),
    ];
    let seen: BTreeSet<_> = found.iter().map(|result| result.check).collect();
    let checks = cluster(&healthy());
    let by_daemon = [
        "output",
        "promises",
        "deleted-pools",
        "health-tests",
        "source-health",
        "slots",
        "deleted-classes",
        "waiting",
    ];
    let missing: Vec<_> = checks
        .iter()
        .map(|it| it.check)
        .filter(|check| !seen.contains(check) && !by_daemon.contains(check))
        .collect();
    assert_eq!(missing, [""; 0], "checks that fail in no case here");
    let lines = found.map(|it| format!("{:?} {}: {}", it.level, it.check, it.message));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn cluster_without_kubevirt_passes_all_checks() {
    let inputs = ClusterInputs { kubevirt: Ok(None), ..healthy() };
    assert!(cluster(&inputs).iter().all(|result| result.level == CheckLevel::Ok));
}
