//! The reports of the nodes, and their sums for each object.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use api::Reason;
use delivery::{AlarmReport, Output, PoolConfig};

use crate::outcome::Plan;

/// The newest report of each node, by name; a node that never reported is not in it.
pub type NodeReports = BTreeMap<String, NodeReport>;

/// What one node reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Whether its agent is connected now; the rest of the report stays valid without a connection.
    pub connected: bool,
    /// Whether it serves and accepts new VMs.
    pub ready: bool,
    /// The conditions that are true, by type.
    pub conditions: BTreeMap<String, NodeCondition>,
    /// Orphaned VMs by pool and class, either of which may be deleted.
    pub orphaned: BTreeMap<(String, String), u32>,
    pub pools: BTreeMap<String, PoolReport>,
}

/// A condition of a node's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCondition {
    pub reason: String,
    pub message: String,
}

/// One pool on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    pub apply_state: ApplyState,
    /// `None` until the node has reported it.
    pub supply: Option<NodeSupply>,
    /// By class; a class without a VM may be absent.
    pub classes: Arc<BTreeMap<String, ClassReport>>,
}

/// What one pool serves on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSupply {
    /// The state of each source, by name: `Healthy`, `Starting`, or the reason of a failure.
    pub sources: BTreeMap<String, Reason>,
    /// The last alarm of each source that has raised one since its last retest.
    pub alarms: BTreeMap<String, AlarmReport>,
    /// What is served; `None` while the node holds.
    pub served: Option<Output>,
}

/// One class on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassReport {
    pub vms: u32,
    /// The VMs that requested no slot from the scheduler: plain pods, and VMs that were moved into the class.
    pub without_slot: u32,
}

/// Whether a node runs its newest configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApplyState {
    Running,
    /// It has not answered yet.
    #[default]
    Pending,
    /// It refused the configuration, for this reason.
    Refused(String),
}

/// The reports on one object, summed over all nodes that should run it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Nodes that should run it.
    pub selected: u32,
    /// Nodes that run it.
    pub programmed: u32,
    /// The first node that refused it, and why.
    pub refused: Option<(String, String)>,
    /// Nodes that are not connected.
    pub away: Group,
    pub vms: u32,
    /// Nodes that serve nothing rather than less than was promised.
    pub holding: Group,
    /// Nodes that serve stretched bytes instead of what was promised.
    pub degraded: Group,
    /// Nodes with fewer healthy sources than the pool needs.
    pub unhealthy: Group,
    /// Nodes that have reported the state of their sources.
    pub reporting: u32,
    /// The source in the worst state, and the nodes on which it is in that state.
    pub worst_source: Option<(SourceSeverity, String, Group)>,
}

/// A number of nodes, with one of them as an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub count: u32,
    /// The first by name.
    pub first: String,
}

/// The state of a source; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceSeverity(u8, Reason);

impl SourceSeverity {
    /// Ranks a state. A failed health test is worse than a source that cannot be read.
    pub fn of(state: Reason) -> Self {
        let rank = match state {
            Reason::Healthy => 0,
            Reason::Starting => 1,
            Reason::SourceNotPermitted => 2,
            Reason::SourceUnavailable => 3,
            _ => 4,
        };
        Self(rank, state)
    }

    pub fn reason(self) -> Reason {
        self.1
    }

    pub fn is_healthy(self) -> bool {
        self.0 == 0
    }
}

/// "1 node (a)", "3 nodes (a, …)".
impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (s, more) = if self.count == 1 { ("", "") } else { ("s", ", …") };
        write!(f, "{} node{s} ({}{more})", self.count, self.first)
    }
}

impl Group {
    fn add(&mut self, node: &str) {
        if self.count == 0 {
            node.clone_into(&mut self.first);
        }
        self.count += 1;
    }
}

/// The sums for all pools and all classes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates {
    pub pools: BTreeMap<String, Aggregate>,
    pub classes: BTreeMap<String, Aggregate>,
}

impl Aggregates {
    /// Sums up the nodes' reports on what the plan gives them. The classes of a pool share the pool's sums.
    pub fn of(plan: &Plan, reports: &NodeReports) -> Self {
        let mut pools: BTreeMap<String, Aggregate> = BTreeMap::new();
        let mut vms: BTreeMap<&str, u32> = BTreeMap::new();
        for (node, config) in &plan.nodes {
            let report = reports.get(node);
            for pool in &config.pools {
                let here = report.and_then(|report| report.pools.get(&pool.name));
                let connected = report.is_some_and(|report| report.connected);
                let aggregate = pools.entry(pool.name.clone()).or_default();
                aggregate.add(node, connected, here, pool);
                for (class, report) in here.iter().flat_map(|here| &*here.classes) {
                    *vms.entry(class).or_default() += report.vms;
                }
            }
        }
        let of_pool = |pool: &str| pools.get(pool).cloned().unwrap_or_default();
        let classes = plan.classes.iter().map(|(name, class)| {
            let pool =
                class.accepted_spec.as_ref().map(|accepted| of_pool(&accepted.spec.pool)).unwrap_or_default();
            (name.clone(), Aggregate { vms: vms.get(&**name).copied().unwrap_or_default(), ..pool })
        });
        let classes = classes.collect();
        Self { pools, classes }
    }
}

/// The orphaned VMs of all nodes, grouped by what `key` returns for their pool and class.
pub fn orphaned<K: Ord>(reports: &NodeReports, key: impl Fn(&str, &str) -> K) -> BTreeMap<K, OrphanedVms> {
    let mut all: BTreeMap<K, OrphanedVms> = BTreeMap::new();
    for (node, report) in reports {
        let mut here: BTreeMap<K, u32> = BTreeMap::new();
        for ((pool, class), vms) in &report.orphaned {
            *here.entry(key(pool, class)).or_default() += vms;
        }
        for (key, vms) in here {
            let orphaned = all.entry(key).or_default();
            orphaned.vms += vms;
            orphaned.nodes.add(node);
        }
    }
    all
}

/// A number of orphaned VMs, and the nodes that they are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrphanedVms {
    pub vms: u32,
    pub nodes: Group,
}

/// "3 VMs on 2 nodes (a, …)".
impl Display for OrphanedVms {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} VM{} on {}", self.vms, if self.vms == 1 { "" } else { "s" }, self.nodes)
    }
}

impl Aggregate {
    fn add(&mut self, node: &str, connected: bool, report: Option<&PoolReport>, pool: &PoolConfig) {
        self.selected += 1;
        if !connected {
            self.away.add(node);
        }
        let Some(report) = report else { return };
        match &report.apply_state {
            ApplyState::Running => self.programmed += 1,
            ApplyState::Pending => {}
            ApplyState::Refused(why) => {
                self.refused.get_or_insert_with(|| (node.to_owned(), why.clone()));
            }
        }
        self.vms += report.classes.values().map(|class| class.vms).sum::<u32>();
        if let Some(supply) = &report.supply {
            self.add_sources(node, supply, pool.min_healthy_sources);
            match supply.served {
                None => self.holding.add(node),
                Some(served) if served != pool.output => self.degraded.add(node),
                Some(_) => {}
            }
        }
    }

    fn add_sources(&mut self, node: &str, supply: &NodeSupply, needed: u32) {
        self.reporting += 1;
        let states = || supply.sources.iter().map(|(name, state)| (SourceSeverity::of(*state), name));
        if states().filter(|(state, _)| state.is_healthy()).count()
            < usize::try_from(needed).unwrap_or(usize::MAX)
        {
            self.unhealthy.add(node);
        }
        if let Some((state, name)) = states().max_by_key(|(state, _)| *state) {
            let worse = self.worst_source.as_ref().is_none_or(|(worst, ..)| *worst < state);
            if worse {
                self.worst_source = Some((state, name.clone(), Group::default()));
            }
            if let Some((worst, source, nodes)) = &mut self.worst_source
                && (*worst, &*source) == (state, name)
            {
                nodes.add(node);
            }
        }
    }
}
