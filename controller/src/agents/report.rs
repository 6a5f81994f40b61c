//! The reports of one agent, converted to the node report that plans and status use.
//!
//! What is kept of them is bounded by the node's configuration and by constants: whoever has an agent's token can send what he
//! likes.

use std::collections::BTreeMap;

use api::Reason;
use delivery::publisher::AckState;
use delivery::{
    AgentCondition, AgentState, AlarmReport, NodeConfig, Output, PoolConfig, Report, ServingState,
    SourceReport, SourceState, SupplyReport, SupplyReports,
};
use plan::{ApplyState, NodeCondition, NodeReport, NodeSupply, PoolReport};

use super::node_vms::{ClassCounts, MAX_NAME, NodeVms, OrphanCounts};

/// Conditions of an agent beyond this number are ignored.
const MAX_CONDITIONS: usize = 8;
/// Sentences are cut off after so many bytes.
const MAX_MESSAGE: usize = 1_024;
/// Pools beyond this number are ignored. They are kept whether or not the node's configuration has them, since an agent may
/// report before the controller knows the node.
const MAX_POOLS: usize = 1_024;
/// Sources of a pool beyond this number are ignored: it has no more.
const MAX_SOURCES: usize = 16;

/// Everything that one agent has reported on its stream.
#[derive(Debug, Default)]
pub(super) struct AgentReport {
    pub(super) vms: NodeVms,
    ready: bool,
    /// The true ones, by type.
    conditions: BTreeMap<String, NodeCondition>,
    supplies: BTreeMap<String, ReportedSupply>,
    /// The VMs, counted by pool and class.
    classes: ClassCounts,
    /// The orphaned VMs, counted by pool and class.
    orphaned: OrphanCounts,
    /// Incremented when something changes that the node report is made from.
    changes: u64,
}

/// What is used of the report on a pool.
#[derive(Debug)]
struct ReportedSupply {
    serving: ServingState,
    sources: Vec<ReportedSource>,
}

#[derive(Debug)]
struct ReportedSource {
    name: String,
    state: Reason,
    alarm: Option<AlarmReport>,
}

impl AgentReport {
    /// Merges a report; parts that it does not contain stay unchanged.
    pub(super) fn merge(&mut self, report: Report) {
        if let Some(agent) = report.agent {
            self.ready = agent.ready;
            self.conditions = true_conditions(agent);
        }
        if let Some(vms) = report.vms {
            self.vms.merge(vms);
        }
        if let Some(supplies) = report.supplies {
            self.supplies = reported_supplies(supplies);
        }
        self.changes += 1;
    }

    /// Counts the VMs again. `has_slot` says whether the pod of a uid has asked the scheduler for a slot of a class: what its
    /// labels and its volume claim, and what the agent says of it, does not matter.
    pub(super) fn recount(&mut self, config: &NodeConfig, has_slot: impl Fn(&str, &str) -> bool) {
        let (classes, orphaned) = (self.vms.counted(config, has_slot), self.vms.orphaned(config));
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
            ready: self.ready,
            conditions: self.conditions.clone(),
            orphaned: self.orphaned.clone(),
            pools: pools.collect(),
        }
    }
}

/// The true conditions of an agent, by type.
fn true_conditions(agent: AgentState) -> BTreeMap<String, NodeCondition> {
    let conditions = agent.conditions.into_iter().filter(|(_, condition)| condition.status);
    let convert = |(kind, AgentCondition { reason, message, .. }): (String, AgentCondition)| {
        let condition = NodeCondition {
            reason: truncated(reason, MAX_NAME + 1),
            message: truncated(message, MAX_MESSAGE),
        };
        (truncated(kind, MAX_NAME + 1), condition)
    };
    conditions.take(MAX_CONDITIONS).map(convert).collect()
}

/// The beginning of a text that has at most so many bytes.
fn truncated(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.shrink_to_fit();
    }
    text
}

fn apply_state(ack_state: &AckState, pool: &str) -> ApplyState {
    let refused = |message: &str| ApplyState::Refused(message.to_owned());
    match ack_state {
        AckState::Programmed => ApplyState::Running,
        AckState::PoolsRefused(pools) => match pools.iter().find(|refused| refused.pool == pool) {
            Some(of_pool) => refused(&of_pool.refusal.message),
            None => ApplyState::Running,
        },
        AckState::Unknown | AckState::Behind => ApplyState::Pending,
        AckState::Refused(refusal) => refused(&refusal.message),
    }
}

fn reported_supplies(supplies: SupplyReports) -> BTreeMap<String, ReportedSupply> {
    let reported = |SupplyReport { serving, sources, .. }: SupplyReport| {
        let sources = sources.into_iter().filter(|source| source.name.len() <= MAX_NAME).take(MAX_SOURCES);
        ReportedSupply { serving, sources: sources.map(reported_source).collect() }
    };
    let pools = supplies.into_iter().filter(|(pool, _)| pool.len() <= MAX_NAME).take(MAX_POOLS);
    pools.map(|(pool, report)| (pool, reported(report))).collect()
}

fn reported_source(source: SourceReport) -> ReportedSource {
    let state = source_state(&source);
    let SourceReport { name, alarm, .. } = source;
    let alarm = alarm.map(|alarm| AlarmReport { test: truncated(alarm.test, MAX_NAME), ..alarm });
    ReportedSource { name, state, alarm }
}

fn supply(report: &ReportedSupply, pool: &PoolConfig) -> NodeSupply {
    let served = match report.serving {
        // A start-up test is not a failure: requests wait for it, as for a slow source.
        ServingState::Starting | ServingState::Promised => Some(pool.output),
        ServingState::Degraded => Some(Output::Stretched),
        ServingState::Held => None,
    };
    // Those that the pool does not have are not counted.
    let is_known = |name: &str| pool.sources.iter().any(|source| source.name == name);
    let known = || report.sources.iter().filter(|source| is_known(&source.name));
    let sources = known().map(|source| (source.name.clone(), source.state)).collect();
    let alarms = known().filter_map(|source| Some((source.name.clone(), source.alarm.clone()?))).collect();
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
    use api::{EntropyClass, EntropyPool};
    use delivery::{VmReport, VmsReport};
    use plan::{ClassReport, ClusterSnapshot};

    use super::super::node_vms::MAX_ORPHANED_CLASSES;
    use super::*;

    #[test]
    fn a_pod_has_a_slot_if_it_asked_for_one_whatever_the_agent_says_of_it() {
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
            ("labelled-by-its-author", vm(Some("gold"))),
        ];
        let vms = vms.map(|(uid, vm)| (uid.to_owned(), vm)).into();
        let mut report = AgentReport::default();
        report.merge(Report {
            vms: Some(VmsReport { whole: true, vms, ..VmsReport::default() }),
            ..Report::default()
        });
        let (before, config) = (report.changes(), config(&["gold", "silver"]));
        let requests = |uid: &str, class: &str| match uid {
            "launcher" | "plain" => class == "gold",
            "moved-in" => class == "silver",
            _ => false,
        };
        report.recount(&config, requests);
        assert_eq!(report.classes["default"]["gold"], ClassReport { vms: 4, without_slot: 2 });
        assert_eq!(report.changes(), before + 1);
        report.recount(&config, requests);
        assert_eq!(report.changes(), before + 1);
    }

    fn config(classes: &[&str]) -> NodeConfig {
        let pool = EntropyPool::new("default", serde_json::from_str("{}").expect("all has defaults"));
        let class = |name: &&str| {
            let spec = serde_json::from_str(r#"{"pool": "default"}"#).expect("the rest has defaults");
            EntropyClass::new(name, spec)
        };
        let classes = classes.iter().map(class).collect();
        let snapshot = ClusterSnapshot::of_host("n1", vec![pool], classes, ["shop"]);
        NodeConfig::clone(&plan::plan(&snapshot).nodes["n1"])
    }

    /// A message of an agent has at most 1 MiB, and it may send 20 a second.
    fn flood(report: &mut AgentReport, messages: usize, mut vm: impl FnMut(usize) -> (String, VmReport)) {
        for message in 0..messages {
            let vms = (0..10_000).map(|at| vm(message * 10_000 + at)).collect();
            report
                .merge(Report { vms: Some(VmsReport { vms, ..VmsReport::default() }), ..Report::default() });
        }
    }

    #[test]
    fn invented_vms_and_classes_cost_no_more_than_a_node_s() {
        let invented = |class: &str, at: usize| VmReport {
            pool: "default".to_owned(),
            class: class.to_owned(),
            slot: Some(format!("slot-{at}")),
            orphaned: at.is_multiple_of(2),
        };
        let config = config(&["gold"]);
        let mut report = AgentReport::default();
        flood(&mut report, 12, |at| (format!("00000000-0000-0000-0000-{at:012}"), invented("gold", at)));
        report.recount(&config, |_, _| false);
        assert!(report.vms.take_overflowed());
        assert_eq!(report.classes["default"]["gold"].vms, 10_000);
        let of_one_class = report.vms.kept();
        assert!(of_one_class < 1 << 20, "{of_one_class} bytes");

        let mut report = AgentReport::default();
        flood(&mut report, 5, |at| (format!("{at}"), invented(&format!("{at:063}"), at)));
        // Too long to be a name.
        flood(&mut report, 1, |at| (format!("{at:064}"), invented("gold", at)));
        report.recount(&config, |_, _| false);
        assert!(report.vms.kept() < 3 << 20, "{} bytes", report.vms.kept());
        let node = report.node_report(&AckState::Programmed, &config);
        // All of them are counted in the pool, and of their classes only those that there may be.
        assert_eq!(node.pools["default"].classes.keys().collect::<Vec<_>>(), [""]);
        assert_eq!(node.orphaned.len(), MAX_ORPHANED_CLASSES);
        // When they are gone, so is all that they cost.
        report.merge(Report {
            vms: Some(VmsReport { whole: true, ..VmsReport::default() }),
            ..Report::default()
        });
        assert_eq!(report.vms.kept(), 0);
    }

    #[test]
    fn conditions_pools_and_sources_are_bounded_in_number_and_length() {
        let long = |at: usize| format!("{at:04}{}", "ü".repeat(100_000));
        let condition = |at| AgentCondition { status: true, reason: long(at), message: long(at) };
        let conditions = (0..100).map(|at| (long(at), condition(at))).collect();
        let source = |name: String| SourceReport {
            name,
            health: SourceState::Healthy,
            reason: long(0),
            message: long(0),
            alarm: Some(AlarmReport { ordinal: 1, test: long(0), count: 1, offset: 1, permanent: false }),
        };
        let mut sources: Vec<_> = (0..100).map(|at| source(format!("s{at}"))).collect();
        sources.push(source(long(0)));
        let supply =
            SupplyReport { serving: ServingState::Promised, message: long(0), sources: sources.clone() };
        let few = SupplyReport { serving: ServingState::Held, message: String::new(), sources: Vec::new() };
        let mut supplies: SupplyReports = (0..10_000).map(|at| (format!("p{at}"), few.clone())).collect();
        supplies.insert("default".to_owned(), supply);
        let mut report = AgentReport::default();
        report.merge(Report {
            agent: Some(AgentState { ready: true, conditions }),
            supplies: Some(supplies),
            ..Report::default()
        });
        let node = report.node_report(&AckState::Programmed, &config(&[]));
        assert_eq!(node.conditions.len(), MAX_CONDITIONS);
        let longest = |text: fn(&NodeCondition) -> usize| node.conditions.values().map(text).max();
        assert_eq!(longest(|it| it.message.len()), Some(MAX_MESSAGE));
        assert_eq!(longest(|it| it.reason.len()), Some(MAX_NAME + 1));
        assert_eq!(report.supplies.len(), MAX_POOLS);
        assert_eq!(report.supplies["default"].sources.len(), MAX_SOURCES);
        assert_eq!(report.supplies["default"].sources[0].alarm.as_ref().map(|it| it.test.len()), Some(62));
        // The pool has but the kernel.
        assert!(node.pools["default"].supply.as_ref().is_some_and(|it| it.sources.is_empty()));
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
        report.recount(&NodeConfig::default(), |_, _| true);
        let node = report.node_report(&AckState::Programmed, &NodeConfig::default());
        assert!(!node.ready);
        assert_eq!(node.conditions.keys().collect::<Vec<_>>(), ["Unready"]);
        assert_eq!(node.orphaned, [(("default".to_owned(), "gold".to_owned()), 2)].into());
    }
}
