#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proto::local::{Pool, PoolOutput, Serving, SourceState, Vm};

use super::inputs::CheckInputs;
use super::*;
use crate::output::samples;
use crate::plan::InspectedManifests;

/// A host without problems.
fn healthy() -> CheckInputs {
    let tree = samples::tree();
    let vm = Vm { waiting: None, ..tree.vms[0].clone() };
    let daemon = DaemonState {
        pools: vec![Pool { promised: 0, ..samples::pool() }],
        classes: tree.classes[..1].to_vec(),
        sources: samples::sources()[..2].to_vec(),
        vms: vec![vm],
        unwritable: None,
    };
    CheckInputs {
        api: "/run/entropool/api.sock".into(),
        checkpoint_warnings: Vec::new(),
        manifests: Some(InspectedManifests { objects: 2, ..InspectedManifests::default() }),
        daemon: Ok(daemon),
        missing_sockets: Vec::new(),
    }
}

fn refused(sentence: &str) -> InspectedManifests {
    InspectedManifests { objects: 1, refused: vec![sentence.to_owned()], ..InspectedManifests::default() }
}

/// The one result that is not ok after `damage`.
fn only_problem(damage: impl FnOnce(&mut CheckInputs)) -> CheckResult {
    let mut inputs = healthy();
    damage(&mut inputs);
    let mut found = rules::host(&inputs);
    found.retain(|result| result.level != CheckLevel::Ok);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn daemon(inputs: &mut CheckInputs) -> &mut DaemonState {
    inputs.daemon.as_mut().unwrap()
}

fn output(inputs: &mut CheckInputs) -> &mut PoolOutput {
    daemon(inputs).pools[0].output.as_mut().unwrap()
}

#[test]
fn healthy_host_passes_all_checks() {
    let found = rules::host(&healthy());
    assert!(found.iter().all(|result| result.level == CheckLevel::Ok), "{found:#?}");
    insta::assert_snapshot!(result::table(&found));
}

/// Each check fails once, and no other one fails with it.
#[test]
fn every_check_finds_its_problem() {
    let socket = "/run/entropool/vm/a/egd.sock";
    let found = [
        only_problem(|it| it.checkpoint_warnings = vec!["state.a is torn".into()]),
        only_problem(|it| it.manifests = Some(refused("pools.yaml:3: EntropyPool p: spec.rate: …"))),
        only_problem(|it| it.daemon = Err("cannot connect to a daemon".into())),
        only_problem(|it| {
            let held = Serving::Held.into();
            *output(it) =
                PoolOutput { serving: held, message: Some("it holds".into()), ..PoolOutput::default() };
        }),
        only_problem(|it| output(it).set_serving(Serving::Degraded)),
        only_problem(|it| {
            daemon(it).pools[0].promised = 86_400 * 9;
            daemon(it).pools[0].shape.as_mut().unwrap().rate = 86_400 * 10;
        }),
        only_problem(|it| daemon(it).pools[0].deleted = true),
        only_problem(|it| daemon(it).sources[0].set_state(SourceState::Failed)),
        only_problem(|it| daemon(it).sources[0].set_state(SourceState::Suspect)),
        only_problem(|it| daemon(it).sources[1].alarms.push(samples::alarm())),
        only_problem(|it| daemon(it).unwritable = Some("the disk is full".into())),
        only_problem(|it| {
            daemon(it).classes[0].members = 2;
            daemon(it).classes[0].max_vms = Some(2);
        }),
        only_problem(|it| daemon(it).classes[0].deleted = true),
        only_problem(|it| daemon(it).vms[0].waiting = Some(11_000_000_000)),
        only_problem(|it| it.missing_sockets = vec![socket.into()]),
    ];
    let all: BTreeSet<_> = rules::host(&healthy()).into_iter().map(|result| result.check).collect();
    assert_eq!(found.iter().map(|result| result.check).collect::<BTreeSet<_>>(), all);
    insta::assert_snapshot!(result::table(&found));
}
