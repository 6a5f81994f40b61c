//! The reports of one agent, converted to the node report that plans and status use.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Reason;
use delivery::publisher::AckState;
use delivery::{
    AgentCondition, AgentState, NodeConfig, Output, PoolConfig, Report, ServingState, SourceReport,
    SourceState, SupplyReports, Vms,
};
use plan::{ApplyState, ClassReport, NodeCondition, NodeReport, NodeSupply, PoolReport};

/// Conditions of an agent beyond this number are ignored, so that what it can make the controller store is bounded.
const MAX_CONDITIONS: usize = 8;

/// Everything that one agent has reported on its stream.
#[derive(Debug, Default)]
pub(super) struct AgentReport {
    pub(super) vms: Vms,
    agent: AgentState,
    supplies: SupplyReports,
    /// The VMs, counted by pool and class.
    classes: BTreeMap<String, Arc<BTreeMap<String, ClassReport>>>,
    /// The orphaned VMs, counted by pool and class.
    orphaned: BTreeMap<(String, String), u32>,
    /// Incremented when something changes that the node report is made from.
    changes: u64,
}

impl AgentReport {
    /// Merges a report; parts that it does not contain stay unchanged.
    pub(super) fn merge(&mut self, report: Report) {
        if let Some(agent) = report.agent {
            self.agent = agent;
        }
        if let Some(vms) = report.vms {
            vms.apply_to(&mut self.vms);
        }
        if let Some(supplies) = report.supplies {
            self.supplies = supplies;
        }
        self.changes += 1;
    }

    /// Counts the VMs again. `labelled` returns whether our webhook labelled the pod of a uid: only such pods have
    /// requested slots, whatever their volumes claim.
    pub(super) fn recount(&mut self, labelled: impl Fn(&str) -> bool) {
        let (classes, orphaned) = (counted(&self.vms, labelled), orphaned(&self.vms));
        if (&classes, &orphaned) != (&self.classes, &self.orphaned) {
            (self.classes, self.orphaned) = (classes, orphaned);
            self.changes += 1;
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The node report on the pools of `config`.
    pub(super) fn node_report(&self, ack_state: &AckState, config: &NodeConfig) -> NodeReport {
        let pools = config.pools.iter().map(|pool| {
            let report = PoolReport {
                apply_state: apply_state(ack_state, &pool.name),
                supply: self.supplies.get(&pool.name).map(|report| supply(report, pool)),
                classes: self.classes.get(&pool.name).cloned().unwrap_or_default(),
            };
            (pool.name.clone(), report)
        });
        NodeReport {
            connected: true,
            ready: self.agent.ready,
            conditions: true_conditions(&self.agent),
            orphaned: self.orphaned.clone(),
            pools: pools.collect(),
        }
    }
}

/// The true conditions of an agent, by type.
fn true_conditions(agent: &AgentState) -> BTreeMap<String, NodeCondition> {
    let conditions = agent.conditions.iter().filter(|(_, condition)| condition.status).take(MAX_CONDITIONS);
    let convert = |(kind, AgentCondition { reason, message, .. }): (&String, &AgentCondition)| {
        (kind.clone(), NodeCondition { reason: reason.clone(), message: message.clone() })
    };
    conditions.map(convert).collect()
}

fn orphaned(vms: &Vms) -> BTreeMap<(String, String), u32> {
    let mut orphaned = BTreeMap::new();
    for vm in vms.values().filter(|vm| vm.orphaned) {
        *orphaned.entry((vm.pool.clone(), vm.class.clone())).or_default() += 1;
    }
    orphaned
}

/// By pool, then class.
fn counted(
    vms: &Vms,
    labelled: impl Fn(&str) -> bool,
) -> BTreeMap<String, Arc<BTreeMap<String, ClassReport>>> {
    let mut pools: BTreeMap<&str, BTreeMap<String, ClassReport>> = BTreeMap::new();
    for (uid, vm) in vms {
        let class = pools.entry(&vm.pool).or_default().entry(vm.class.clone()).or_default();
        class.vms += 1;
        let has_slot = vm.slot.as_ref() == Some(&vm.class) && labelled(uid);
        class.without_slot += u32::from(!has_slot);
    }
    pools.into_iter().map(|(pool, classes)| (pool.to_owned(), Arc::new(classes))).collect()
}

fn apply_state(ack_state: &AckState, pool: &str) -> ApplyState {
    match ack_state {
        AckState::Programmed => ApplyState::Running,
        AckState::PoolsRefused(refused) => match refused.iter().find(|refused| refused.pool == pool) {
            Some(refused) => ApplyState::Refused(refused.refusal.message.clone()),
            None => ApplyState::Running,
        },
        AckState::Unknown | AckState::Behind => ApplyState::Pending,
        AckState::Refused(refusal) => ApplyState::Refused(refusal.message.clone()),
    }
}

fn supply(report: &delivery::SupplyReport, pool: &PoolConfig) -> NodeSupply {
    let served = match report.serving {
        // A start-up test is not a failure: requests wait for it, as for a slow source.
        ServingState::Starting | ServingState::Promised => Some(pool.output),
        ServingState::Degraded => Some(Output::Stretched),
        ServingState::Held => None,
    };
    let sources = report.sources.iter().map(|source| (source.name.clone(), source_state(source))).collect();
    // Those of sources that the pool does not have are not counted, so that there are only so many.
    let is_known = |name: &str| pool.sources.iter().any(|source| source.name == name);
    let known = report.sources.iter().filter(|source| is_known(&source.name));
    let alarms = known.filter_map(|source| Some((source.name.clone(), source.alarm.clone()?))).collect();
    NodeSupply { sources, alarms, served }
}

fn source_state(source: &SourceReport) -> Reason {
    match source.health {
        SourceState::Healthy => Reason::Healthy,
        SourceState::Starting => Reason::Starting,
        SourceState::Suspect | SourceState::Failed => Reason::HealthTestFailed,
        SourceState::Unavailable if source.reason == Reason::SourceNotPermitted.as_str() => {
            Reason::SourceNotPermitted
        }
        SourceState::Unavailable => Reason::SourceUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use delivery::{VmReport, VmsReport};

    use super::*;

    #[test]
    fn only_a_labelled_pod_with_a_slot_of_its_own_class_counts_as_having_one() {
        let vm = |slot: Option<&str>| VmReport {
            pool: "default".to_owned(),
            class: "gold".to_owned(),
            slot: slot.map(str::to_owned),
            orphaned: false,
        };
        let vms = [
            ("launcher", vm(Some("gold"))),
            ("moved-in", vm(Some("silver"))),
            ("plain", vm(None)),
            ("plain-that-says-qemu", vm(Some("gold"))),
        ];
        let vms = vms.map(|(uid, vm)| (uid.to_owned(), vm)).into();
        let mut report = AgentReport::default();
        report.merge(Report {
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        let before = report.changes();
        report.recount(|uid| !uid.starts_with("plain"));
        assert_eq!(report.classes["default"]["gold"], ClassReport { vms: 4, without_slot: 3 });
        assert_eq!(report.changes(), before + 1);
        // Only a pod that is labelled later changes the counts.
        report.recount(|uid| !uid.starts_with("plain"));
        assert_eq!(report.changes(), before + 1);
        report.recount(|uid| uid != "plain");
        assert_eq!(report.classes["default"]["gold"], ClassReport { vms: 4, without_slot: 2 });
        assert_eq!(report.changes(), before + 2);
    }

    #[test]
    fn a_node_report_has_the_true_conditions_and_the_orphaned_vms() {
        let condition = |status| AgentCondition { status, reason: "R".to_owned(), message: "m".to_owned() };
        let conditions = [("Unready", true), ("ConfigRolledBack", false)];
        let agent = AgentState {
            ready: false,
            conditions: conditions.map(|(kind, status)| (kind.to_owned(), condition(status))).into(),
        };
        let vm = |orphaned| VmReport {
            pool: "default".to_owned(),
            class: "gold".to_owned(),
            slot: None,
            orphaned,
        };
        let vms = [("a", true), ("b", false), ("c", true)];
        let vms = vms.map(|(uid, orphaned)| (uid.to_owned(), vm(orphaned))).into();
        let mut report = AgentReport::default();
        report.merge(Report {
            agent: Some(agent),
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        report.recount(|_| true);
        let node = report.node_report(&AckState::Programmed, &NodeConfig::default());
        assert!(!node.ready);
        assert_eq!(node.conditions.keys().collect::<Vec<_>>(), ["Unready"]);
        assert_eq!(node.orphaned, [(("default".to_owned(), "gold".to_owned()), 2)].into());
    }
}
