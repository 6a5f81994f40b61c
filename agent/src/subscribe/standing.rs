//! How the node stands, in the words of a report.

use std::collections::BTreeMap;

use delivery::{
    AgentState, BytesPerDay, ClassUse, Condition, Health, NodeConfig, NodeState, PoolConfig, Serving,
    SourceState, Supplies, Supply, Vm,
};
use server::{ClassSnapshot, PoolSnapshot, Snapshot, SourcesSnapshot, VmSnapshot};
use source::health::State;
use source::{PoolStatus, SourceStatus};

use super::status::Subscribed;
use crate::checkpoint::Unwritable;
use crate::disorder::Disorder;

/// Everything there is to report; `places` are those that pods asked the scheduler for.
pub(super) fn standing(
    snapshot: &Snapshot,
    places: &BTreeMap<String, String>,
    sources: &SourcesSnapshot,
    config: &NodeConfig,
    subscribed: &Subscribed,
    disorder: &Disorder,
) -> NodeState {
    NodeState {
        agent: agent(subscribed, disorder),
        vms: snapshot.pools.iter().flat_map(|pool| vms(pool, places, config)).collect(),
        usage: snapshot.pools.iter().flat_map(usage).collect(),
        supplies: supplies(config, sources),
    }
}

fn agent(subscribed: &Subscribed, disorder: &Disorder) -> AgentState {
    let mut state = AgentState { ready: true, ..AgentState::default() };
    if subscribed.went_back > 0 {
        let condition = Condition {
            status: true,
            reason: "WentBack".to_owned(),
            message: format!(
                "an older configuration than before was taken {} times: nothing else was on offer for a minute",
                subscribed.went_back
            ),
        };
        state.conditions.insert("WentBack".to_owned(), condition);
    }
    if let Some(Unwritable { reason, sentence }) = &disorder.unwritable {
        let condition = Condition { status: true, reason: (*reason).to_owned(), message: sentence.clone() };
        state.conditions.insert("CheckpointUnwritable".to_owned(), condition);
    }
    state
}

fn vms<'a>(
    pool: &'a PoolSnapshot,
    places: &'a BTreeMap<String, String>,
    config: &'a NodeConfig,
) -> impl Iterator<Item = (String, Vm)> + 'a {
    let configured = config.pools.iter().find(|known| known.name == pool.name);
    pool.vms.iter().map(move |vm| {
        let outlived = !configured.is_some_and(|configured| allowed(vm, configured));
        let place = places.get(&vm.id).cloned();
        let report = Vm { pool: pool.name.clone(), class: vm.class.clone(), place, outlived };
        (vm.id.clone(), report)
    })
}

/// Whether a VM could come as it is.
fn allowed(vm: &VmSnapshot, pool: &PoolConfig) -> bool {
    let class = pool.classes.iter().find(|class| class.name == vm.class);
    pool.namespaces.contains(&vm.namespace)
        && class.is_some_and(|class| class.namespaces.contains(&vm.namespace))
}

fn usage(pool: &PoolSnapshot) -> impl Iterator<Item = ((String, String), ClassUse)> + '_ {
    let waiting = |class: &ClassSnapshot| {
        pool.vms.iter().filter(|vm| vm.class == class.name && vm.waiting.is_some()).count()
    };
    // No node has 2³² VMs.
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    pool.classes.iter().filter(|class| class.vms > 0).map(move |class| {
        let used = ClassUse {
            vms: count(class.vms),
            assured: BytesPerDay(class.assured.0),
            waiting: count(waiting(class)),
        };
        ((pool.name.clone(), class.name.clone()), used)
    })
}

fn supplies(config: &NodeConfig, sources: &SourcesSnapshot) -> Supplies {
    let supply = |pool: &PoolConfig| {
        let status = sources.pools.iter().find(|status| status.name == pool.name);
        (pool.name.clone(), status.map_or_else(|| of_kernel(pool), of_status))
    };
    config.pools.iter().map(supply).collect()
}

/// A pool that draws from the kernel alone needs nobody to watch it.
fn of_kernel(pool: &PoolConfig) -> Supply {
    let healthy = |source: &delivery::SourceConfig| SourceState {
        name: source.name.clone(),
        health: Health::Healthy,
        reason: String::new(),
        message: String::new(),
    };
    let sources = pool.sources.iter().map(healthy).collect();
    Supply { serving: Serving::Promised, message: String::new(), sources }
}

fn of_status(status: &PoolStatus) -> Supply {
    let serving = match status.serving {
        source::Serving::Starting => Serving::Starting,
        source::Serving::Promised => Serving::Promised,
        source::Serving::Degraded => Serving::Degraded,
        source::Serving::Held => Serving::Held,
    };
    let sources = status.sources.iter().map(source_state).collect();
    Supply { serving, message: status.sentence.clone(), sources }
}

fn source_state(source: &SourceStatus) -> SourceState {
    let health = match source.state {
        State::Healthy => Health::Healthy,
        State::Starting => Health::Starting,
        State::Suspect => Health::Suspect,
        State::Unavailable => Health::Unavailable,
        // What may not be opened has not failed a test.
        State::Failed if source.reason == Some("SourceNotPermitted") => Health::Unavailable,
        State::Failed => Health::Failed,
    };
    SourceState {
        name: source.name.clone(),
        health,
        reason: source.reason.unwrap_or_default().to_owned(),
        message: source.sentence.clone(),
    }
}
