//! Replicas that crash, freeze, lose the Lease or cannot be reached: agents are served by those who are left.

use std::time::Duration;

use rustix::process::Signal;

use crate::kubectl::{apply, class, until, until_condition};
use crate::scenario::{CONVERGED, Scenario, millis};
use crate::work_clock::WorkClock;

#[test]
fn when_the_one_that_writes_crashes_agents_follow_the_next_edit_at_once_and_status_in_seconds() {
    let mut run = soak::Run::begin("control-takeover", 2, 100);
    let mut scene = Scenario::with_a_vm(&["r0", "r1"], "8Ki/s");
    let (mut longest, mut told) = (Duration::ZERO, Duration::ZERO);
    for round in 0..run.count() {
        let leader = scene.leader();
        let crashed = scene.take_replica(&leader);
        let endpoint = crashed.agents;
        crashed.crash().unwrap();
        scene.service.remove(endpoint);
        let crash = WorkClock::begin();
        longest = longest.max(scene.edit_and_follow(&format!("{}/s", 9_001 + round)));
        until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
        told = told.max(crash.passed());
        scene.draws("vm");
        let next = format!("r{}", round + 2);
        scene.start_replicas(&[&next]);
    }
    run.figure("longest_until_run_ms", millis(longest));
    run.figure("longest_until_told_ms", millis(told));
    assert!(longest < CONVERGED, "{longest:?}");
}

#[test]
fn a_frozen_replica_is_done_without_and_takes_nobody_back_when_it_thaws() {
    let scene = Scenario::with_a_vm(&["r0", "r1"], "8Ki/s");
    let leader = scene.leader();
    let frozen = scene.replicas.iter().find(|replica| replica.name() == leader).unwrap();
    frozen.signal(Signal::STOP).unwrap();
    // Its address still takes connections, and nothing comes of them.
    scene.edit_and_follow("9Ki/s");
    scene.service.remove(frozen.agents);
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    scene.service.add(frozen.agents);
    frozen.signal(Signal::CONT).unwrap();
    let took = scene.edit_and_follow("10Ki/s");
    assert!(took <= CONVERGED, "{took:?}");
    for agent in &scene.agents {
        assert!(!agent.log().contains("ConfigRolledBack"), "{}", agent.log());
    }
    scene.draws("vm");
}

#[test]
fn a_lease_that_is_deleted_is_made_again_and_a_network_that_was_cut_is_noticed() {
    let mut scene = Scenario::with_a_vm(&["r0", "r1"], "8Ki/s");
    let namespace = ["--namespace", entropool_tests::cluster::NAMESPACE];
    scene.api.said(["delete", "lease", "entropool-controller"].into_iter().chain(namespace)).unwrap();
    scene.edit_and_follow("9Ki/s");
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    let lease = ["get", "lease", "entropool-controller", "--output=jsonpath={.spec.holderIdentity}"];
    let holder = scene.api.said(lease.into_iter().chain(namespace)).unwrap();
    assert!(["r0", "r1"].contains(&&*holder), "{holder}");

    // Connections stay open on both sides, and nothing comes through.
    scene.service.cut(true);
    apply(&scene.api, &class("gold", "rate: 10Ki/s"));
    scene.draws("vm");
    scene.agents[0].wait_for_log("lost the controller").unwrap();
    assert_eq!(scene.agents[0].rate_of("gold").unwrap().as_deref(), Some("9Ki/s"));
    scene.service.cut(false);
    let healed = WorkClock::begin();
    scene.all_run("gold", "10Ki/s");
    assert!(healed.passed() <= CONVERGED, "{:?}", healed.passed());
    until(&scene.api, "node/n1", "labelled as before", |node| {
        node["metadata"]["labels"]["entropool.io/agent"] == "ready"
    });
}
