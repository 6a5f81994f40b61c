#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::render::samples;
use crate::view::{Output, Pool, PoolOutput, Rate, SourceState, Span};

/// A host with nothing to complain of.
fn sound() -> CheckInputs {
    let output = PoolOutput { served: Some(Output::Stretched), ..PoolOutput::default() };
    let pools = vec![Pool { name: "default".into(), output, ..Pool::default() }];
    let mut vms = samples::tree().vms;
    vms.truncate(1);
    vms[0].waiting = None;
    let mut sources = samples::sources();
    sources.truncate(1);
    sources[0].state = SourceState::Healthy;
    let running = RunningDaemon { pools, sources, vms, classes: vec![samples::tree().classes.remove(0)] };
    CheckInputs {
        api: "/run/entropool/api.sock".into(),
        notes: Vec::new(),
        manifests: Some((2, Vec::new())),
        running: Ok(running),
        missing: Vec::new(),
    }
}

/// The one finding that is not right after `spoil`.
fn spoilt(spoil: impl FnOnce(&mut CheckInputs)) -> CheckResult {
    let mut facts = sound();
    spoil(&mut facts);
    let mut findings = judge(&facts);
    findings.retain(|finding| finding.verdict != Level::Right);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn running(facts: &mut CheckInputs) -> &mut RunningDaemon {
    facts.running.as_mut().unwrap()
}

#[test]
fn a_sound_host_has_nothing_wrong() {
    let findings = judge(&sound());
    assert!(findings.iter().all(|finding| finding.verdict == Level::Right), "{findings:#?}");
    insta::assert_snapshot!(render::text(&findings));
}

/// Each check is seen to fail once, and by no fault but its own.
#[test]
fn every_check_finds_what_it_is_for() {
    let gone = "/run/entropool/vm/a/egd.sock";
    let found = [
        spoilt(|it| it.notes = vec!["state.a is torn".into()]),
        spoilt(|it| it.manifests = Some((1, vec!["pools.yaml:3: EntropyPool p: spec.rate: …".into()]))),
        spoilt(|it| it.running = Err("no daemon listens at /run/entropool/api.sock".into())),
        spoilt(|it| {
            running(it).pools[0].output =
                PoolOutput { message: Some("it holds".into()), ..PoolOutput::default() }
        }),
        spoilt(|it| running(it).pools[0].output.degraded = true),
        spoilt(|it| {
            running(it).pools[0].promised = Rate(86_400 * 9);
            running(it).pools[0].shape.rate = Rate(86_400 * 10);
        }),
        spoilt(|it| running(it).pools[0].closed = true),
        spoilt(|it| running(it).sources[0].state = SourceState::Failed),
        spoilt(|it| running(it).sources[0].state = SourceState::Suspect),
        spoilt(|it| {
            running(it).classes[0].members = 2;
            running(it).classes[0].max_vms = Some(2);
        }),
        spoilt(|it| running(it).classes[0].closed = true),
        spoilt(|it| running(it).vms[0].waiting = Some(Span(11_000_000_000))),
        spoilt(|it| it.missing = vec![gone.into()]),
    ];
    let all: BTreeSet<_> = judge(&sound()).into_iter().map(|finding| finding.check).collect();
    assert_eq!(found.iter().map(|finding| finding.check).collect::<BTreeSet<_>>(), all);
    insta::assert_snapshot!(render::text(&found));
}
