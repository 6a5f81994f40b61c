//! The checks of a host.

use std::time::Duration;

use api::Rate;
use proto::local::{Alarm, Class, Pool, Serving, Source, SourceState, Vm};

use crate::output::duration;
use crate::plan::InspectedManifests;

use super::inputs::{CheckInputs, DaemonState};
use super::result::{CheckLevel, CheckResult, results};

/// A VM that waits for longer is reported.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// All checks of a host, in the order in which an administrator would make them.
pub(super) fn host(inputs: &CheckInputs) -> Vec<CheckResult> {
    let mut found = disk(inputs);
    let state = match &inputs.daemon {
        Ok(state) => state,
        Err(error) => {
            found.push(CheckResult { check: "daemon", level: CheckLevel::Error, message: error.clone() });
            return found;
        }
    };
    found.extend(results("daemon", &format!("it answers on {}", inputs.api), CheckLevel::Error, Vec::new()));
    found.extend(daemon(state));
    let missing = |socket| format!("{socket} was removed: detach its VM and attach it again");
    let missing = inputs.missing_sockets.iter().map(missing).collect();
    found.extend(results("sockets", "every VM has its socket", CheckLevel::Error, missing));
    found
}

/// The checkpoint, and the manifests if some were named.
fn disk(inputs: &CheckInputs) -> Vec<CheckResult> {
    let ok = "the configuration accepted last can be read";
    let mut found = results("checkpoint", ok, CheckLevel::Warning, inputs.checkpoint_warnings.clone());
    if let Some(InspectedManifests { objects, refused, noted }) = &inputs.manifests {
        let ok = format!("all {objects} objects can be served");
        let warnings = noted.iter().cloned();
        let warnings =
            warnings.map(|message| CheckResult { check: "manifests", level: CheckLevel::Warning, message });
        if noted.is_empty() || !refused.is_empty() {
            found.extend(results("manifests", &ok, CheckLevel::Error, refused.clone()));
        }
        found.extend(warnings);
    }
    found
}

/// The checks of what a daemon answers.
pub(crate) fn daemon(state: &DaemonState) -> Vec<CheckResult> {
    [pools(state), sources(state), classes(state), waiting(state)].concat()
}

fn pools(state: &DaemonState) -> Vec<CheckResult> {
    let problems = |rule: fn(&Pool) -> Option<String>| state.pools.iter().filter_map(rule).collect();
    [
        results("pools-serve", "every pool serves", CheckLevel::Error, problems(serves_nothing)),
        results("output", "every byte is what its pool promises", CheckLevel::Error, problems(degraded)),
        results(
            "promises",
            "no pool has promised 90 % of its rate",
            CheckLevel::Warning,
            problems(nearly_promised),
        ),
        results(
            "deleted-pools",
            "no deleted pool still has VMs",
            CheckLevel::Warning,
            problems(deleted_pool),
        ),
    ]
    .concat()
}

fn sources(state: &DaemonState) -> Vec<CheckResult> {
    let problems = |states: &[SourceState]| {
        state.sources.iter().filter(|source| states.contains(&source.state())).map(unhealthy).collect()
    };
    let out = problems(&[SourceState::Failed, SourceState::Unavailable]);
    let alarmed = state.sources.iter().filter_map(alarmed).collect();
    [
        results("sources", "no source is failed or unavailable", CheckLevel::Error, out),
        results(
            "health-tests",
            "no source raised an alarm since its last retest",
            CheckLevel::Warning,
            alarmed,
        ),
        results(
            "source-health",
            "a restart keeps what is known of the sources",
            CheckLevel::Warning,
            state.unwritable.iter().cloned().collect(),
        ),
    ]
    .concat()
}

fn classes(state: &DaemonState) -> Vec<CheckResult> {
    let problems = |rule: fn(&Class) -> Option<String>| state.classes.iter().filter_map(rule).collect();
    [
        results("slots", "every class takes one more VM", CheckLevel::Warning, problems(full)),
        results(
            "deleted-classes",
            "no deleted class still has VMs",
            CheckLevel::Warning,
            problems(deleted_class),
        ),
    ]
    .concat()
}

fn waiting(state: &DaemonState) -> Vec<CheckResult> {
    let waits = state.vms.iter().filter_map(waits_long).collect();
    results("waiting", "no VM has waited for more than 10 s", CheckLevel::Warning, waits)
}

fn serves_nothing(pool: &Pool) -> Option<String> {
    let output = pool.output.clone().unwrap_or_default();
    let why = output.message.as_deref().unwrap_or("its sources are in their start-up test; check again");
    let nothing = matches!(output.serving(), Serving::Starting | Serving::Held);
    nothing.then(|| format!("pool {} serves nothing: {why}", pool.name))
}

fn degraded(pool: &Pool) -> Option<String> {
    let output = pool.output.clone().unwrap_or_default();
    let why = output.message.as_deref().unwrap_or("too few sources are healthy");
    let degraded = output.serving() == Serving::Degraded;
    degraded.then(|| format!("pool {} serves less than it promises: {why}", pool.name))
}

fn nearly_promised(pool: &Pool) -> Option<String> {
    let rate = pool.shape.unwrap_or_default().rate;
    let nearly = rate > 0 && pool.promised / 9 >= rate / 10;
    let [promised, rate] = [pool.promised, rate].map(Rate::from_bytes_per_day);
    nearly.then(|| {
        format!("pool {} has promised {promised} of {rate}: raise its rate or lower a class's", pool.name)
    })
}

fn deleted_pool(pool: &Pool) -> Option<String> {
    let (name, vms) = (&pool.name, pool.vms);
    pool.deleted.then(|| {
        format!("pool {name} was deleted and still serves {vms} VMs: detach them, or create the pool again")
    })
}

fn unhealthy(source: &Source) -> String {
    let Source { pool, name, .. } = source;
    let why = source.message.as_deref().or(source.reason.as_deref()).unwrap_or("no reason is known yet");
    let alarm = source.alarms.last().filter(|alarm| !alarm.retested).map(last_alarm).unwrap_or_default();
    format!(
        "source {name} of pool {pool}: {why}{alarm}; once it is repaired, run `entropool sources retest {pool}/{name} \
         --wait`"
    )
}

/// A source that is used, or soon again, and has raised alarms.
fn alarmed(source: &Source) -> Option<String> {
    let is_used =
        matches!(source.state(), SourceState::Healthy | SourceState::Starting | SourceState::Suspect);
    let count = source.alarms.iter().filter(|alarm| !alarm.retested).count();
    let is_alarmed = count > 0 || source.state() == SourceState::Suspect;
    let Source { pool, name, .. } = source;
    let alarm = source.alarms.last().map(last_alarm).unwrap_or_default();
    (is_used && is_alarmed).then(|| {
        format!(
            "source {name} of pool {pool} raised {count} of the 3 alarms that take it out{alarm}; replace it if there are \
             more, or run `entropool sources retest {pool}/{name} --wait` to count from zero"
        )
    })
}

fn last_alarm(alarm: &Alarm) -> String {
    let Alarm { test, count, offset, .. } = alarm;
    format!("; its last alarm was {} ago: {test}, {count} at byte {offset}", duration(alarm.age))
}

fn full(class: &Class) -> Option<String> {
    let max = class.max_vms.filter(|max| class.members >= *max && !class.deleted)?;
    let name = &class.name;
    Some(format!("class {name} has {max} of {max} VMs: raise its rate or its maxVMs"))
}

fn deleted_class(class: &Class) -> Option<String> {
    let (name, vms) = (&class.name, class.vms);
    class.deleted.then(|| {
        format!("class {name} was deleted and still has {vms} VMs: move them, or create the class again")
    })
}

fn waits_long(vm: &Vm) -> Option<String> {
    let waited = vm.waiting.map(Duration::from_nanos).filter(|waited| *waited > LONG_WAIT)?;
    let (name, seconds) = (&vm.name, waited.as_secs_f64());
    Some(format!("VM {name} has waited for {seconds:.0} s: `entropool explain {name}` says what for"))
}
