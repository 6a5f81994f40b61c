//! The states of the node and of the subscription as they are reported to the controller.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use dataplane::{ClassSnapshot, DataPlaneSnapshot, PoolSnapshot, SourcesSnapshot};
use delivery::subscriber::SubscriptionPhase;
use delivery::{
    AgentCondition, AgentState, AlarmReport, BytesPerDay, ClassUse, Nack, NodeConfig, NodeState, PoolConfig,
    PoolRefusal, ServingState, SourceReport, SourceState, SupplyReport, SupplyReports, Version, VmReport,
};
use htb::Tick;
use source::health::HealthState;
use source::{AlarmRecord, Kernel, PoolStatus, SourceStatus};

use super::readiness::AgentReadiness;
use crate::checkpoint::WriteFailure;
use crate::config::orphans::is_orphaned;
use crate::health::HealthCondition;

/// The state of the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionState {
    pub(super) phase: SubscriptionPhase,
    /// When the phase began.
    pub(super) since: Tick,
    /// Of the applied configuration.
    pub(super) version: Version,
    /// When the controller last sent or confirmed the configuration.
    pub(super) confirmed: Option<Tick>,
    /// Why the last configuration was not applied, if it was not.
    pub(super) nacked: Option<Nack>,
    /// The pools of the applied configuration that are not in effect.
    pub(super) refused: Vec<PoolRefusal>,
    /// Why there is no stream, if there is none.
    pub(super) disconnected: Option<Nack>,
    /// How often an older configuration was applied because no newer one was offered.
    pub(super) rolled_back: u64,
}

/// A shared [`SubscriptionState`].
#[derive(Clone, Debug)]
pub(super) struct SubscriptionStatus(Arc<RwLock<SubscriptionState>>);

impl SubscriptionStatus {
    pub(super) fn new(version: Version, now: Tick) -> Self {
        Self(Arc::new(RwLock::new(SubscriptionState {
            phase: SubscriptionPhase::Disconnected,
            since: now,
            version,
            confirmed: None,
            nacked: None,
            refused: Vec::new(),
            disconnected: None,
            rolled_back: 0,
        })))
    }

    pub(super) fn get(&self) -> SubscriptionState {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut SubscriptionState)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The whole report. `scheduled_classes`: the class whose extended resource each pod requested.
pub(super) fn node_state(
    snapshot: &DataPlaneSnapshot,
    scheduled_classes: &BTreeMap<String, String>,
    sources: &SourcesSnapshot,
    config: &NodeConfig,
    agent: AgentState,
) -> NodeState {
    NodeState {
        agent,
        vms: snapshot.pools.iter().flat_map(|pool| vms(pool, scheduled_classes, config)).collect(),
        usage: snapshot.pools.iter().flat_map(usage).collect(),
        supplies: supplies(config, sources),
    }
}

/// The state of the agent itself.
pub(super) fn agent_state(
    readiness: &AgentReadiness,
    subscribed: &SubscriptionState,
    health: &HealthCondition,
) -> AgentState {
    let missing = readiness.missing();
    let mut state = AgentState { ready: missing.is_none(), ..AgentState::default() };
    if let Some(Nack { reason, message }) = missing {
        state.conditions.insert("Unready".to_owned(), AgentCondition { status: true, reason, message });
    }
    if subscribed.rolled_back > 0 {
        let condition = AgentCondition {
            status: true,
            reason: "ConfigRolledBack".to_owned(),
            message: format!(
                "an older configuration was applied {} times because no newer one was offered for a minute",
                subscribed.rolled_back
            ),
        };
        state.conditions.insert("ConfigRolledBack".to_owned(), condition);
    }
    if let Some(PoolRefusal { pool, refusal: Nack { reason, message } }) = subscribed.refused.first() {
        let more = match subscribed.refused.len() {
            1 => String::new(),
            pools => format!(" (and {} more)", pools - 1),
        };
        let condition = AgentCondition {
            status: true,
            reason: reason.clone(),
            message: format!("pool {pool} is not as configured: {message}{more}"),
        };
        state.conditions.insert("PoolRefused".to_owned(), condition);
    }
    if let Some(WriteFailure { reason, message }) = &health.unwritable {
        let condition =
            AgentCondition { status: true, reason: (*reason).to_owned(), message: message.clone() };
        state.conditions.insert("CheckpointUnwritable".to_owned(), condition);
    }
    if let Some(WriteFailure { reason, message }) = &health.health_unwritable {
        let condition =
            AgentCondition { status: true, reason: (*reason).to_owned(), message: message.clone() };
        state.conditions.insert("SourceHealthUnwritable".to_owned(), condition);
    }
    state
}

fn vms<'a>(
    pool: &'a PoolSnapshot,
    scheduled_classes: &'a BTreeMap<String, String>,
    config: &'a NodeConfig,
) -> impl Iterator<Item = (String, VmReport)> + 'a {
    pool.vms.iter().map(move |vm| {
        let orphaned = is_orphaned(vm, &pool.name, config);
        let slot = scheduled_classes.get(&vm.id).cloned();
        let report = VmReport { pool: pool.name.clone(), class: vm.class.clone(), slot, orphaned };
        (vm.id.clone(), report)
    })
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

fn supplies(config: &NodeConfig, sources: &SourcesSnapshot) -> SupplyReports {
    let supply = |pool: &PoolConfig| {
        let status = sources.pools.iter().find(|status| status.name == pool.name);
        (pool.name.clone(), status.map_or_else(|| of_kernel(pool, sources.kernel_seeded), of_status))
    };
    config.pools.iter().map(supply).collect()
}

/// A pool that draws from the kernel alone has no health tests.
fn of_kernel(pool: &PoolConfig, is_seeded: bool) -> SupplyReport {
    let (health, serving, (reason, message)) = if is_seeded {
        (SourceState::Healthy, ServingState::Promised, ("", ""))
    } else {
        (SourceState::Unavailable, ServingState::Starting, Kernel::NOT_SEEDED)
    };
    let source = |source: &delivery::SourceConfig| SourceReport {
        name: source.name.clone(),
        health,
        reason: reason.to_owned(),
        message: message.to_owned(),
        alarm: None,
    };
    let sources = pool.sources.iter().map(source).collect();
    SupplyReport { serving, message: message.to_owned(), sources }
}

fn of_status(status: &PoolStatus) -> SupplyReport {
    let serving = match status.serving {
        source::Serving::Starting => ServingState::Starting,
        source::Serving::Promised => ServingState::Promised,
        source::Serving::Degraded => ServingState::Degraded,
        source::Serving::Held => ServingState::Held,
    };
    let sources = status.sources.iter().map(source_state).collect();
    SupplyReport { serving, message: status.message.clone(), sources }
}

fn source_state(source: &SourceStatus) -> SourceReport {
    let health = match source.state {
        // Healthy by its tests, and of no use for what the pool promises.
        HealthState::Healthy if source.reason.is_some() => SourceState::Unavailable,
        HealthState::Healthy => SourceState::Healthy,
        HealthState::Starting => SourceState::Starting,
        HealthState::Suspect => SourceState::Suspect,
        HealthState::Unavailable => SourceState::Unavailable,
        // A source that may not be opened has not failed a test.
        HealthState::Failed if source.reason == Some("SourceNotPermitted") => SourceState::Unavailable,
        HealthState::Failed => SourceState::Failed,
    };
    SourceReport {
        name: source.name.clone(),
        health,
        reason: source.reason.unwrap_or_default().to_owned(),
        message: source.message.clone(),
        alarm: source.alarms.last().filter(|alarm| !alarm.retested).map(alarm_report),
    }
}

fn alarm_report(alarm: &AlarmRecord) -> AlarmReport {
    AlarmReport {
        ordinal: alarm.ordinal,
        test: alarm.test.clone(),
        count: alarm.count,
        offset: alarm.offset,
        permanent: alarm.permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwritable_checkpoint_is_reported() {
        let subscribed = SubscriptionStatus::new(Version::default(), Tick(0)).get();
        let ready = AgentReadiness { configured: true, pod_info_on_mount: None, driver: None };
        let conditions = |unwritable| {
            agent_state(&ready, &subscribed, &HealthCondition { unwritable, ..HealthCondition::default() })
                .conditions
        };
        assert_eq!(conditions(None), BTreeMap::new());
        let unwritable = Some(WriteFailure { reason: "DiskFull", message: "there is no room".to_owned() });
        let AgentCondition { status, reason, message } = &conditions(unwritable)["CheckpointUnwritable"];
        assert_eq!((*status, &**reason, &**message), (true, "DiskFull", "there is no room"));
    }
}
