//! The real parts, ended and brought back: agents follow edits, and go on with what they have.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use entropool_tests::binary;
use entropool_tests::cluster::{Agent, ApiServer, Controller, Part};
use rustix::process::Signal;

use crate::kubectl::{apply, cluster, until_condition};

fn objects(rate: &str) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{rate: 32Ki/s}}}}\n---\n\
         {{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: gold}}, spec: {{pool: default, rate: {rate}}}}}\n"
    )
}

/// Both agents run gold at that rate.
fn all_run(agents: &[Agent], rate: &str) {
    for agent in agents {
        agent.wait_for(&["classes"], &format!(" {rate} ")).unwrap();
    }
}

/// It tries again for as long as a guest of QEMU's would: a crashed agent is back in a moment.
fn draws(agent: &Agent, vm: &str) {
    let mut command = Command::new(binary::entropool().unwrap());
    command.args(["egd", "read", "64"]).arg(agent.socket(vm));
    let mut last = String::new();
    for _ in 0..25 {
        let output = command.output().unwrap();
        if output.stdout.len() == 64 {
            return;
        }
        last = String::from_utf8_lossy(&output.stderr).into_owned();
        sleep(Duration::from_millis(100));
    }
    panic!("{vm} has no bytes of the agent of {}: {last}", agent.node());
}

fn started(api: &ApiServer) -> (Controller, Vec<Agent>) {
    let controller = Controller::start(api, "first").unwrap();
    let agents = ["n1", "n2"].map(|node| Agent::start(api, &controller, node).unwrap());
    apply(api, &objects("8Ki/s"));
    all_run(&agents, "8Ki/s");
    (controller, agents.into())
}

#[test]
fn without_a_control_plane_vms_come_and_draw_and_an_agent_starts() {
    let api = cluster(&[]);
    let (controller, mut agents) = started(&api);
    agents[0].ask(&["attach", "old=default/gold,client=egd"]).unwrap();
    draws(&agents[0], "old");

    api.kill(Part::KubeApiserver).unwrap();
    api.kill(Part::Etcd).unwrap();
    controller.signal(Signal::STOP).unwrap();
    draws(&agents[0], "old");
    agents[0].ask(&["attach", "new=default/gold,client=egd"]).unwrap();
    draws(&agents[0], "new");
    agents[0].crash(&controller).unwrap();
    agents[0].wait_for_log("in force, from before this start").unwrap();
    all_run(&agents, "8Ki/s");
    draws(&agents[0], "old");
    draws(&agents[0], "new");

    controller.signal(Signal::CONT).unwrap();
    api.restart(Part::Etcd).unwrap();
    api.restart(Part::KubeApiserver).unwrap();
    apply(&api, &objects("12Ki/s"));
    all_run(&agents, "12Ki/s");
    draws(&agents[0], "old");
}

/// The past that a frozen controller's watches hang on is gone when it thaws: the server says 410, and it lists anew.
#[test]
fn a_controller_whose_past_was_compacted_lists_anew() {
    let api = cluster(&[]);
    let (controller, agents) = started(&api);
    controller.signal(Signal::STOP).unwrap();
    apply(&api, &objects("12Ki/s"));
    for number in 0..3 {
        api.said(["create", "namespace", &format!("busy-{number}")]).unwrap();
    }
    api.kill(Part::KubeApiserver).unwrap();
    api.restart(Part::KubeApiserver).unwrap();
    api.compact().unwrap();
    controller.signal(Signal::CONT).unwrap();
    all_run(&agents, "12Ki/s");
    until_condition(&api, "eclass/gold", "Ready", "True AsPromised");
}

#[test]
fn a_controller_that_crashed_is_followed_by_one_that_knows_what_was_accepted() {
    let api = cluster(&[]);
    let (controller, agents) = started(&api);
    apply(&api, &objects("64Ki/s"));
    until_condition(&api, "eclass/gold", "Accepted", "False RateOverParent");
    controller.crash().unwrap();
    let _second = Controller::start(&api, "second").unwrap();
    apply(
        &api,
        "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: silver}, spec: {pool: default}}\n",
    );
    until_condition(&api, "eclass/silver", "Accepted", "True Accepted");
    all_run(&agents, "8Ki/s");
}

/// What is done to the parts, while VMs draw.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Controller,
    ApiServer,
    Etcd,
    AllThree,
    Agent,
    Frozen,
}

const FAULTS: [Fault; 6] =
    [Fault::Controller, Fault::ApiServer, Fault::Etcd, Fault::AllThree, Fault::Agent, Fault::Frozen];

/// Each time something else is ended, perhaps with an edit on the way; when it is back, the next edit is run by all.
#[test]
fn whatever_is_ended_serving_never_stops_and_the_next_edit_is_run() {
    let mut run = soak::Run::begin("control-faults", 3, 300);
    let mut dice = run.dice();
    let api = cluster(&[]);
    let (mut controller, mut agents) = started(&api);
    agents[0].ask(&["attach", "vm=default/gold,client=egd"]).unwrap();
    for round in 0..run.count() {
        let fault = *dice.pick(&FAULTS);
        if !matches!(fault, Fault::ApiServer | Fault::Etcd | Fault::AllThree) && dice.once_in(2) {
            apply(&api, &objects("9Ki/s"));
        }
        controller = strike(fault, round, &api, controller, &mut agents);
        draws(&agents[0], "vm");
        // No two rounds have the same rate, so that what is seen is this round's.
        let rate = 10_001 + round;
        apply(&api, &objects(&format!("{rate}/s")));
        all_run(&agents, &format!("{rate}/s"));
    }
    run.figure("agents", agents.len() as u64);
}

fn strike(
    fault: Fault,
    round: u64,
    api: &ApiServer,
    controller: Controller,
    agents: &mut [Agent],
) -> Controller {
    let name = format!("of-round-{round}");
    let parts: &[Part] = match fault {
        Fault::Controller | Fault::Agent | Fault::Frozen => &[],
        Fault::ApiServer => &[Part::KubeApiserver],
        Fault::Etcd => &[Part::Etcd],
        Fault::AllThree => &[Part::KubeApiserver, Part::Etcd],
    };
    for part in parts {
        api.kill(*part).unwrap();
    }
    draws(&agents[0], "vm");
    match fault {
        Fault::Agent => agents[1].crash(&controller).unwrap(),
        Fault::Frozen => {
            controller.signal(Signal::STOP).unwrap();
            draws(&agents[0], "vm");
            controller.signal(Signal::CONT).unwrap();
        }
        _ => {}
    }
    // The store first: the server does not start without it.
    for part in parts.iter().rev() {
        api.restart(*part).unwrap();
    }
    if matches!(fault, Fault::Controller | Fault::AllThree) {
        return controller.replace(api, &name).unwrap();
    }
    controller
}
