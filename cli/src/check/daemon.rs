//! What the daemon says of itself.

use super::inputs::{CheckInputs, RunningDaemon};
use super::result::{CheckResult, Level, all};
use crate::view::{Class, Pool, Source, SourceState, Span, Vm};

/// A VM that waits for longer is told of.
const LONG: Span = Span(10_000_000_000);

/// Everything that only a running daemon knows.
pub(super) fn judge(facts: &CheckInputs) -> Vec<CheckResult> {
    let api = &facts.api;
    let running = match &facts.running {
        Ok(running) => running,
        Err(reason) => {
            let message = format!("{reason}: start `entropool run`, or name its socket with --api");
            return vec![CheckResult { check: "daemon", verdict: Level::Wrong, message }];
        }
    };
    let mut findings = all("daemon", &format!("it answers at {api}"), Level::Wrong, Vec::new());
    findings.extend(judge_running(running));
    let gone = |socket| format!("{socket} was removed: detach its VM and attach it again");
    findings.extend(all(
        "sockets",
        "every VM has its socket",
        Level::Wrong,
        facts.missing.iter().map(gone).collect(),
    ));
    findings
}

/// What a daemon's answers say.
pub(crate) fn judge_running(running: &RunningDaemon) -> Vec<CheckResult> {
    [pools(running), sources(running), classes(running), waiting(running)].concat()
}

fn pools(running: &RunningDaemon) -> Vec<CheckResult> {
    let said = |of: fn(&Pool) -> Option<String>| running.pools.iter().filter_map(of).collect();
    [
        all("pools-serve", "every pool serves", Level::Wrong, said(silent)),
        all("output", "every byte is what was promised", Level::Wrong, said(degraded)),
        all("promises", "no pool has promised nearly all it may", Level::Warning, said(nearly_promised)),
        all("pools-open", "no pool was deleted while VMs draw from it", Level::Warning, said(closed_pool)),
    ]
    .concat()
}

fn sources(running: &RunningDaemon) -> Vec<CheckResult> {
    let bad = |state: fn(SourceState) -> bool| {
        running.sources.iter().filter(|source| state(source.state)).map(unhealthy).collect()
    };
    let out = |state| matches!(state, SourceState::Failed | SourceState::Unavailable);
    [
        all("sources", "no source is out", Level::Wrong, bad(out)),
        all("health-tests", "no source is suspect", Level::Warning, bad(|it| it == SourceState::Suspect)),
    ]
    .concat()
}

fn classes(running: &RunningDaemon) -> Vec<CheckResult> {
    let said = |of: fn(&Class) -> Option<String>| running.classes.iter().filter_map(of).collect();
    [
        all("places", "every class takes one more VM", Level::Warning, said(full)),
        all("classes-open", "no class was deleted while VMs are in it", Level::Warning, said(closed_class)),
    ]
    .concat()
}

fn waiting(running: &RunningDaemon) -> Vec<CheckResult> {
    let waits = running.vms.iter().filter_map(waits_long).collect();
    all("waiting", "no VM has waited for over 10 s", Level::Warning, waits)
}

fn silent(pool: &Pool) -> Option<String> {
    let why = pool.output.message.as_deref().unwrap_or("it has just started: look again");
    pool.output.served.is_none().then(|| format!("pool {} serves nothing: {why}", pool.name))
}

fn degraded(pool: &Pool) -> Option<String> {
    let why = pool.output.message.as_deref().unwrap_or("too few sources are healthy");
    pool.output.degraded.then(|| format!("pool {} serves less than it promises: {why}", pool.name))
}

fn nearly_promised(pool: &Pool) -> Option<String> {
    let (promised, rate) = (pool.promised, pool.shape.rate);
    let nearly = rate.0 > 0 && promised.0 / 9 >= rate.0 / 10;
    nearly.then(|| {
        format!("pool {} has promised {promised} of {rate}: raise its rate or lower a class's", pool.name)
    })
}

fn closed_pool(pool: &Pool) -> Option<String> {
    let (name, vms) = (&pool.name, pool.vms);
    pool.closed.then(|| {
        format!("pool {name} was deleted, and {vms} VMs draw from it: move or detach them, or bring it back")
    })
}

fn unhealthy(source: &Source) -> String {
    let Source { pool, name, .. } = source;
    let why = source.message.as_deref().or(source.reason.as_deref()).unwrap_or("nothing is known yet");
    format!("source {name} of pool {pool}: {why}; once it is mended, `entropool sources retest {name}`")
}

fn full(class: &Class) -> Option<String> {
    let most = class.max_vms.filter(|most| class.members >= *most && !class.closed)?;
    let name = &class.name;
    Some(format!("class {name} has all the {most} VMs it takes: raise its rate or its maxVMs"))
}

fn closed_class(class: &Class) -> Option<String> {
    let (name, vms) = (&class.name, class.vms);
    class
        .closed
        .then(|| format!("class {name} was deleted, and {vms} VMs are in it: move them, or bring it back"))
}

fn waits_long(vm: &Vm) -> Option<String> {
    let waited = vm.waiting.filter(|waited| *waited > LONG)?;
    let name = &vm.name;
    Some(format!(
        "VM {name} has waited for {:.0} s: `entropool explain {name}` says for what",
        waited.seconds()
    ))
}
