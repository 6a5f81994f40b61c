//! What an agent says of its node, as status needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Reason;
use delivery::publisher::AckState;
use delivery::{
    AgentCondition, AgentState, NodeConfig, Output, PoolConfig, Report, Serving, SourceHealth, SourceReport,
    SupplyReports, Vms,
};
use plan::{ApplyState, ClassReport, NodeCondition, NodeReport, PoolReport, Supply};

/// An agent has a few things to say of itself. Whoever says more is not believed the rest.
const CONDITIONS: usize = 8;

/// All that one agent has said on its stream.
#[derive(Debug, Default)]
pub(super) struct AgentReport {
    pub(super) vms: Vms,
    agent: AgentState,
    supplies: SupplyReports,
    /// The VMs, counted by pool and class.
    classes: BTreeMap<String, Arc<BTreeMap<String, ClassReport>>>,
    /// Of these, the ones that stay only because they were there before.
    orphaned: BTreeMap<(String, String), u32>,
    changes: u64,
}

impl AgentReport {
    /// Takes a report in; what it does not speak of stays.
    pub(super) fn hear(&mut self, report: Report) {
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

    /// Counts the VMs anew. `labelled` tells of a uid whether our webhook labelled that pod: it alone has pods ask for
    /// places, whatever else a volume says of itself.
    pub(super) fn count(&mut self, labelled: impl Fn(&str) -> bool) {
        let (classes, orphaned) = (counted(&self.vms, labelled), orphaned(&self.vms));
        if (&classes, &orphaned) != (&self.classes, &self.orphaned) {
            (self.classes, self.orphaned) = (classes, orphaned);
            self.changes += 1;
        }
    }

    /// How often something changed of what the node's report is made from.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The node, as far as it runs what is planned for it.
    pub(super) fn node(&self, standing: &AckState, config: &NodeConfig) -> NodeReport {
        let pools = config.pools.iter().map(|pool| {
            let report = PoolReport {
                apply_state: taken(standing),
                supply: self.supplies.get(&pool.name).map(|supply| supplied(supply, pool)),
                classes: self.classes.get(&pool.name).cloned().unwrap_or_default(),
            };
            (pool.name.clone(), report)
        });
        NodeReport {
            connected: true,
            ready: self.agent.ready,
            conditions: holding(&self.agent),
            orphaned: self.orphaned.clone(),
            pools: pools.collect(),
        }
    }
}

/// What holds of an agent, by type.
fn holding(agent: &AgentState) -> BTreeMap<String, NodeCondition> {
    let holds = agent.conditions.iter().filter(|(_, condition)| condition.status).take(CONDITIONS);
    let told = |(kind, AgentCondition { reason, message, .. }): (&String, &AgentCondition)| {
        (kind.clone(), NodeCondition { reason: reason.clone(), message: message.clone() })
    };
    holds.map(told).collect()
}

/// By pool and class.
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
        let placed = vm.slot.as_ref() == Some(&vm.class) && labelled(uid);
        class.without_slot += u32::from(!placed);
    }
    pools.into_iter().map(|(pool, classes)| (pool.to_owned(), Arc::new(classes))).collect()
}

fn taken(standing: &AckState) -> ApplyState {
    match standing {
        AckState::Programmed => ApplyState::Running,
        AckState::Unknown | AckState::Behind => ApplyState::Pending,
        AckState::Refused(refusal) => ApplyState::Refused(refusal.message.clone()),
    }
}

fn supplied(supply: &delivery::SupplyReport, pool: &PoolConfig) -> Supply {
    let served = match supply.serving {
        // A test at the start is no failure: requests wait for it, as for a slow source.
        Serving::Starting | Serving::Promised => Some(pool.output),
        Serving::Degraded => Some(Output::Stretched),
        Serving::Held => None,
    };
    let sources = supply.sources.iter().map(|source| (source.name.clone(), state(source))).collect();
    Supply { sources, served }
}

fn state(source: &SourceReport) -> Reason {
    match source.health {
        SourceHealth::Healthy => Reason::Healthy,
        SourceHealth::Starting => Reason::Starting,
        SourceHealth::Suspect | SourceHealth::Failed => Reason::HealthTestFailed,
        SourceHealth::Unavailable if source.reason == Reason::SourceNotPermitted.as_str() => {
            Reason::SourceNotPermitted
        }
        SourceHealth::Unavailable => Reason::SourceUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use delivery::{VmReport, VmsReport};

    use super::*;

    #[test]
    fn a_place_is_one_that_a_labelled_pod_asked_for_in_the_class_that_it_is_in() {
        let vm = |place: Option<&str>| VmReport {
            pool: "default".to_owned(),
            class: "gold".to_owned(),
            slot: place.map(str::to_owned),
            orphaned: false,
        };
        let vms = [
            ("launcher", vm(Some("gold"))),
            ("moved-in", vm(Some("silver"))),
            ("plain", vm(None)),
            ("plain-that-says-qemu", vm(Some("gold"))),
        ];
        let vms = vms.map(|(uid, vm)| (uid.to_owned(), vm)).into();
        let mut said = AgentReport::default();
        said.hear(Report {
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        let before = said.changes();
        said.count(|uid| !uid.starts_with("plain"));
        assert_eq!(said.classes["default"]["gold"], ClassReport { vms: 4, without_slot: 3 });
        assert_eq!(said.changes(), before + 1);
        // A pod whose label comes late changes the sum, and nothing else does.
        said.count(|uid| !uid.starts_with("plain"));
        assert_eq!(said.changes(), before + 1);
        said.count(|uid| uid != "plain");
        assert_eq!(said.classes["default"]["gold"], ClassReport { vms: 4, without_slot: 2 });
        assert_eq!(said.changes(), before + 2);
    }
    #[test]
    fn what_holds_of_an_agent_and_whose_class_is_gone_is_told_of_the_node() {
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
            orphaned: orphaned,
        };
        let vms = [("a", true), ("b", false), ("c", true)];
        let vms = vms.map(|(uid, orphaned)| (uid.to_owned(), vm(orphaned))).into();
        let mut said = AgentReport::default();
        said.hear(Report {
            agent: Some(agent),
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        said.count(|_| true);
        let told = said.node(&AckState::Programmed, &NodeConfig::default());
        assert!(!told.ready);
        assert_eq!(told.conditions.keys().collect::<Vec<_>>(), ["Unready"]);
        assert_eq!(told.orphaned, [(("default".to_owned(), "gold".to_owned()), 2)].into());
    }
}
