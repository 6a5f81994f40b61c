#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use api::{EntropyClass, EntropyPool};
use serde_json::{Value, json};

use super::inputs::{ClusterInputs, CsiDriverState};
use super::lease::Leader;
use super::rules::judge;
use crate::check::{CheckResult, Level, RunningDaemon};
use crate::render::samples;
use crate::view::{Output, Pool, PoolOutput};

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

fn running() -> RunningDaemon {
    let output = PoolOutput { served: Some(Output::Stretched), ..PoolOutput::default() };
    RunningDaemon {
        pools: vec![Pool { name: "default".into(), output, ..Pool::default() }],
        ..RunningDaemon::default()
    }
}

/// A cluster with nothing to complain of.
fn sound() -> ClusterInputs {
    let good = ready("True", "AsPromised", "");
    ClusterInputs {
        pools: Ok(vec![pool(&good)]),
        classes: Ok(vec![class(&good)]),
        leader: Ok(Some(Leader { name: "controller-1".into(), silent: None })),
        nodes: Ok(vec![("n1".into(), "ready".into()), ("n2".into(), "ready".into())]),
        driver: Ok(Some(CsiDriverState { tells_pods: true, inline: true })),
        hooks: Ok([Some(true), Some(true)]),
        kubevirt: Ok(Some(kubevirt("v1.6.0", &["Sidecar"]))),
        agents: Ok(vec![("n1".into(), Ok(running())), ("n2".into(), Ok(running()))]),
    }
}

/// The one finding that is not right after `spoil`.
fn spoilt(spoil: impl FnOnce(&mut ClusterInputs)) -> CheckResult {
    let mut facts = sound();
    spoil(&mut facts);
    let mut findings = judge(&facts);
    findings.retain(|finding| finding.verdict != Level::Right);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn agent(facts: &mut ClusterInputs) -> &mut RunningDaemon {
    facts.agents.as_mut().unwrap()[1].1.as_mut().unwrap()
}

#[test]
fn a_sound_cluster_has_nothing_wrong() {
    let findings = judge(&sound());
    assert!(findings.iter().all(|finding| finding.verdict == Level::Right), "{findings:#?}");
}

/// Each check is seen to fail once, and by no fault but its own.
#[test]
fn every_check_finds_what_it_is_for() {
    let found = [
        spoilt(|it| it.pools = Err("cannot list entropypools: 404".into())),
        spoilt(|it| it.pools = Ok(vec![pool(&ready("False", "UnknownClass", "there is no class shared"))])),
        spoilt(|it| it.classes = Ok(vec![class(&json!({}))])),
        spoilt(|it| it.classes = Ok(vec![class(&ready("Unknown", "Pending", "n2 has not answered yet"))])),
        spoilt(|it| it.leader = Ok(None)),
        spoilt(|it| it.leader.as_mut().unwrap().as_mut().unwrap().silent = Some(4)),
        spoilt(|it| it.leader = Err("the Lease cannot be looked at: forbidden".into())),
        spoilt(|it| it.nodes = Ok(Vec::new())),
        spoilt(|it| it.nodes.as_mut().unwrap()[0].1 = "away".into()),
        spoilt(|it| it.driver = Ok(None)),
        spoilt(|it| it.driver = Ok(Some(CsiDriverState { tells_pods: false, inline: true }))),
        spoilt(|it| it.driver = Ok(Some(CsiDriverState { tells_pods: true, inline: false }))),
        spoilt(|it| it.hooks = Ok([None, Some(true)])),
        spoilt(|it| it.hooks = Ok([Some(true), Some(false)])),
        spoilt(|it| it.kubevirt = Ok(Some(kubevirt("v1.6.0", &[])))),
        spoilt(|it| it.kubevirt = Err("the KubeVirt object cannot be looked at: forbidden".into())),
        spoilt(|it| it.agents = Err("cannot list the agents' pods in namespace entropool-system".into())),
        spoilt(|it| it.agents.as_mut().unwrap()[0].1 = Err("pod a cannot be reached by port-forward".into())),
        spoilt(|it| agent(it).pools[0].output.served = None),
        spoilt(|it| {
            let mut sources = samples::sources();
            sources.retain(|source| source.state == crate::view::SourceState::Failed);
            sources.truncate(1);
            assert_eq!(sources.len(), 1, "there is a sample of it");
            agent(it).sources = sources;
        }),
    ];
    let seen: BTreeSet<_> = found.iter().map(|finding| finding.check).collect();
    let checks = judge(&sound());
    let by_daemon = ["output", "promises", "pools-open", "health-tests", "places", "classes-open", "waiting"];
    let missing: Vec<_> = checks
        .iter()
        .map(|it| it.check)
        .filter(|check| !seen.contains(check) && !by_daemon.contains(check))
        .collect();
    assert_eq!(missing, [""; 0], "checks that nothing here fails");
    let told = found.map(|it| format!("{:?} {}: {}", it.verdict, it.check, it.message));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_cluster_without_kubevirt_lacks_nothing() {
    let mut facts = sound();
    facts.kubevirt = Ok(None);
    assert!(judge(&facts).iter().all(|finding| finding.verdict == Level::Right));
}
