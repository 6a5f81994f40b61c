//! Storage that goes back, or is another: nodes go on with what they have, and follow it after a minute, visibly.

use std::path::PathBuf;
use std::time::Duration;

use entropool_tests::cluster::{Agent, ApiFault, ApiProxy, Controller, Part, Service, rights};
use rustix::process::Signal;

use crate::kubectl::{apply, class, cluster, pool, until_condition};
use crate::scenario::{CONVERGED, Scenario};
use crate::work_clock::WorkClock;

const BACK: &str = "an older configuration is in effect";

/// Revisions that a cluster has lived through. One that begins anew, or goes back, writes one or two a second by itself:
/// it must not catch up before the minute is over, however long that takes on a busy machine.
const PAST: u32 = 5_000;

/// A minute of nothing else, from controllers that have looked, and the seconds until they have.
const LOUD_WAY: Duration = Duration::from_secs(65);

fn everybody_went_back(scene: &mut Scenario, healed: &WorkClock) {
    for agent in &mut scene.agents {
        // Three minutes are patience.
        agent.wait_for_log_for(BACK, 1_800).unwrap();
    }
    let took = healed.passed();
    println!("everybody went back {took:?} after there was something to go back to");
    assert!(took <= LOUD_WAY, "{took:?}");
}

#[test]
fn a_cluster_that_is_restored_is_followed_after_a_minute() {
    let mut scene = Scenario::with_a_vm(&["r0", "r1"], "8Ki/s");
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("snapshot");
    scene.api.save(&file).unwrap();
    scene.edit_and_follow("9Ki/s");
    apply(&scene.api, &class("late", "rate: 1Ki/s"));
    scene.all_run("late", "1Ki/s");
    scene.api.age(PAST).unwrap();
    scene.edit_and_follow("10Ki/s");

    scene.api.restore(&file).unwrap();
    let healed = WorkClock::begin();
    scene.draws("vm");
    assert_eq!(scene.agents[0].rate_of("gold").unwrap().as_deref(), Some("10Ki/s"));
    everybody_went_back(&mut scene, &healed);
    scene.all_run("gold", "8Ki/s");
    assert_eq!(scene.agents[0].rate_of("late").unwrap(), None);
    scene.draws("vm");
    scene.edit_and_follow("11Ki/s");
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
}

#[test]
fn a_cluster_that_is_installed_anew_takes_over_nodes_with_what_they_kept() {
    let mut scene = Scenario::with_a_vm(&["r0"], "8Ki/s");
    scene.api.age(PAST).unwrap();
    scene.edit_and_follow("9Ki/s");
    for replica in std::mem::take(&mut scene.replicas) {
        scene.service.remove(replica.agents);
        replica.stop().unwrap();
    }
    scene.api = cluster(&[]);
    let replica = Controller::start(&scene.api, "new").unwrap();
    scene.service.add(replica.agents);
    apply(&scene.api, &(pool("32Ki/s") + &class("gold", "rate: 12Ki/s")));
    scene.agents.iter().for_each(|agent| agent.renew_trust(&scene.api).unwrap());
    let healed = WorkClock::begin();
    scene.draws("vm");
    everybody_went_back(&mut scene, &healed);
    scene.all_run("gold", "12Ki/s");
    scene.draws("vm");
    drop(replica);
}

/// The past that a frozen controller's watches hang on is gone when it thaws: the server says 410, and it lists anew.
#[test]
fn a_controller_whose_past_was_compacted_lists_anew() {
    let scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    scene.replicas[0].signal(Signal::STOP).unwrap();
    apply(&scene.api, &class("gold", "rate: 12Ki/s"));
    scene.api.age(3).unwrap();
    scene.api.kill(Part::KubeApiserver).unwrap();
    scene.api.restart(Part::KubeApiserver).unwrap();
    scene.api.compact().unwrap();
    scene.replicas[0].signal(Signal::CONT).unwrap();
    scene.all_run("gold", "12Ki/s");
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
}

#[test]
fn a_controller_bears_an_api_server_that_fails_is_slow_or_forgets() {
    let (api, service) = (cluster(&[]), Service::start().unwrap());
    let front = ApiProxy::start(&api, &rights(&api).unwrap()).unwrap();
    let replica = Controller::start_behind(&front, "r0").unwrap();
    service.add(replica.agents);
    let agents = vec![Agent::start(&api, service.address, "n1").unwrap()];
    apply(&api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s")));
    let scene = Scenario { api, service, replicas: vec![replica], agents };
    scene.all_run("gold", "8Ki/s");
    scene.attach("vm", "gold").unwrap();
    let moods = [
        (ApiFault::Failing(429), false),
        (ApiFault::Failing(500), false),
        (ApiFault::Failing(410), false),
        (ApiFault::Slow(Duration::from_millis(1_500)), true),
        (ApiFault::Forgetful, true),
    ];
    for (number, (mood, bearable)) in moods.into_iter().enumerate() {
        front.be(mood);
        // Until it has met it.
        std::thread::sleep(Duration::from_secs(1));
        scene.draws("vm");
        if !bearable {
            front.be(ApiFault::Well);
        }
        let took = scene.edit_and_follow(&format!("{}/s", 9_001 + number));
        println!("{mood:?}: followed after {took:?}");
        assert!(bearable || took <= CONVERGED, "{mood:?}: {took:?}");
        assert!(!scene.agents[0].log().contains("ConfigRolledBack"), "{mood:?}");
    }
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
}
