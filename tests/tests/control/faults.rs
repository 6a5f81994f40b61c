//! The real parts, ended and brought back: VMs draw on, and when all are back the next edit is followed.

use std::time::Duration;

use entropool_tests::cluster::Part;
use rustix::process::Signal;

use crate::scenario::{CONVERGED, Scenario, millis};

#[test]
fn without_a_control_plane_vms_come_and_draw_and_an_agent_starts() {
    let mut scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    scene.api.kill(Part::KubeApiserver).unwrap();
    scene.api.kill(Part::Etcd).unwrap();
    scene.replicas[0].signal(Signal::STOP).unwrap();
    scene.draws("vm");
    scene.attach("new", "gold").unwrap();
    scene.draws("new");
    scene.agents[0].wait_until_kept("new").unwrap();
    scene.agents[0].crash().unwrap();
    scene.agents[0].wait_for_log("last good configuration in effect").unwrap();
    scene.all_run("gold", "8Ki/s");
    scene.draws_again("vm");
    scene.draws_again("new");

    scene.replicas[0].signal(Signal::CONT).unwrap();
    scene.api.restart(Part::Etcd).unwrap();
    scene.api.restart(Part::KubeApiserver).unwrap();
    scene.edit_and_follow("12Ki/s");
    scene.draws("vm");
}

/// What is done to the parts, while a VM draws.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Controller,
    ApiServer,
    Etcd,
    AllThree,
    Agent,
    Frozen,
    Cut,
}

impl Fault {
    const ALL: [Self; 7] =
        [Self::AllThree, Self::Controller, Self::ApiServer, Self::Etcd, Self::Agent, Self::Frozen, Self::Cut];

    /// The parts that are ended, the store last.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Controller | Self::Agent | Self::Frozen | Self::Cut => &[],
            Self::ApiServer => &[Part::KubeApiserver],
            Self::Etcd => &[Part::Etcd],
            Self::AllThree => &[Part::KubeApiserver, Part::Etcd],
        }
    }
}

/// Each time something else is ended; when it is back, the next edit is run by all, and nobody went back.
#[test]
fn whatever_is_ended_serving_never_stops_and_the_next_edit_is_run() {
    let mut run = soak::Run::begin("control-faults", 3, 300);
    let mut dice = run.dice();
    let mut scene = Scenario::with_a_vm(&["r0", "r1"], "8Ki/s");
    let mut longest = Duration::ZERO;
    for round in 0..run.count() {
        // The worst is never left out.
        let fault = if round == 0 { Fault::AllThree } else { *dice.pick(&Fault::ALL) };
        strike(fault, round, &mut scene);
        scene.draws("vm");
        // No two rounds have the same rate, so that what is seen is this round's; none is a round number of Ki, which is
        // shown otherwise than it is written.
        longest = longest.max(scene.edit_and_follow(&format!("{}/s", 9_217 + round)));
        assert!(scene.agents.iter().all(|agent| !agent.log().contains("ConfigRolledBack")), "{fault:?}");
    }
    run.figure("longest_until_run_ms", millis(longest));
    assert!(longest < CONVERGED, "{longest:?}");
}

fn strike(fault: Fault, round: u64, scene: &mut Scenario) {
    let parts = fault.parts();
    for part in parts {
        scene.api.kill(*part).unwrap();
    }
    scene.draws("vm");
    match fault {
        Fault::Agent => scene.agents[1].crash().unwrap(),
        Fault::Frozen => {
            scene.replicas[0].signal(Signal::STOP).unwrap();
            scene.draws("vm");
            scene.replicas[0].signal(Signal::CONT).unwrap();
        }
        Fault::Cut => {
            scene.service.cut(true);
            scene.draws("vm");
            scene.service.cut(false);
        }
        Fault::Controller | Fault::AllThree => {
            let crashed = scene.replicas.remove(0);
            scene.service.remove(crashed.agents);
            crashed.crash().unwrap();
        }
        Fault::ApiServer | Fault::Etcd => {}
    }
    // The store first: the server does not start without it.
    for part in parts.iter().rev() {
        scene.api.restart(*part).unwrap();
    }
    if scene.replicas.len() < 2 {
        scene.start_replicas(&[&format!("r{}", round + 2)]);
    }
}
