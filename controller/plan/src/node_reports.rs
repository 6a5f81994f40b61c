//! What the nodes say of what they run, summed up for each object.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use api::Reason;
use delivery::{Output, PoolConfig};

use crate::outcome::Plan;

/// What is known of every node that runs an agent; one that never spoke is not in it.
pub type NodeReports = BTreeMap<String, NodeReport>;

/// What one node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Whether it can be heard now; what it said before still stands.
    pub connected: bool,
    /// Whether it serves and takes new VMs.
    pub ready: bool,
    /// What people should know of it, by type; only what holds.
    pub conditions: BTreeMap<String, NodeCondition>,
    /// VMs that stay only because they were there before, by pool and class. Either may be gone.
    pub orphaned: BTreeMap<(String, String), u32>,
    /// By pool.
    pub pools: BTreeMap<String, PoolReport>,
}

/// Something that a node's agent wants people to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCondition {
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// One pool on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// Whether what is planned for it runs.
    pub apply_state: ApplyState,
    /// What it serves from; nothing before it said so.
    pub supply: Option<Supply>,
    /// By class; one without a VM may be left out. Shared with whoever counted them.
    pub classes: Arc<BTreeMap<String, ClassReport>>,
}

/// What one pool serves on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// The state of each source, by name: `Healthy`, `Starting` or what is wrong.
    pub sources: BTreeMap<String, Reason>,
    /// What is served; nothing while the node holds.
    pub served: Option<Output>,
}

/// One class on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassReport {
    /// Its VMs.
    pub vms: u32,
    /// Those of them that asked the scheduler for no place: plain pods, and VMs that were moved in.
    pub without_slot: u32,
}

/// How far a node is with what is planned for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApplyState {
    /// It runs that.
    Running,
    /// It has not answered yet.
    #[default]
    Pending,
    /// It refused, and said why.
    Refused(String),
}

/// One object, over all nodes that are to run it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Nodes that are to run it.
    pub selected: u32,
    /// Nodes that do.
    pub programmed: u32,
    /// The first node that refused, and why.
    pub refused: Option<(String, String)>,
    /// Nodes that cannot be heard, and the first of them.
    pub away: Group,
    /// Its VMs.
    pub vms: u32,
    /// Nodes that hold rather than serve less than was promised.
    pub holding: Group,
    /// Nodes that serve stretched bytes in place of what was promised.
    pub degraded: Group,
    /// Nodes with fewer healthy sources than the pool needs.
    pub unhealthy: Group,
    /// Nodes that said how their sources are.
    pub heard: u32,
    /// The source in the worst state, and the nodes that see it so.
    pub worst: Option<(Severity, String, Group)>,
}

/// Some nodes: how many, and one to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: u32,
    /// The first by name.
    pub first: String,
}

/// The state of a source, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Severity(u8, Reason);

impl Severity {
    /// Ranks a state: a failed health test above a source that cannot be read.
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

    /// The state itself.
    pub fn reason(self) -> Reason {
        self.1
    }

    /// Whether bytes of the source count.
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

/// Sums of all pools and all classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates {
    /// By pool.
    pub pools: BTreeMap<String, Aggregate>,
    /// By class.
    pub classes: BTreeMap<String, Aggregate>,
}

impl Aggregates {
    /// Sums up what the nodes say of what is planned for them. Classes of one pool share their pool's answers.
    pub fn of(plan: &Plan, fleet: &NodeReports) -> Self {
        let mut pools: BTreeMap<String, Aggregate> = BTreeMap::new();
        let mut vms: BTreeMap<&str, u32> = BTreeMap::new();
        for (node, config) in &plan.nodes {
            let report = fleet.get(node);
            for pool in &config.pools {
                let here = report.and_then(|report| report.pools.get(&pool.name));
                let connected = report.is_some_and(|report| report.connected);
                let tally = pools.entry(pool.name.clone()).or_default();
                tally.add(node, connected, here, pool);
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

/// VMs that stay only because they were there before, over all nodes, by what `of` says of their pool and class.
pub fn orphaned<K: Ord>(fleet: &NodeReports, of: impl Fn(&str, &str) -> K) -> BTreeMap<K, OrphanedVms> {
    let mut all: BTreeMap<K, OrphanedVms> = BTreeMap::new();
    for (node, report) in fleet {
        let mut here: BTreeMap<K, u32> = BTreeMap::new();
        for ((pool, class), vms) in &report.orphaned {
            *here.entry(of(pool, class)).or_default() += vms;
        }
        for (key, vms) in here {
            let orphaned = all.entry(key).or_default();
            orphaned.vms += vms;
            orphaned.nodes.add(node);
        }
    }
    all
}

/// Some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrphanedVms {
    /// How many.
    pub vms: u32,
    /// Where.
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

    fn add_sources(&mut self, node: &str, supply: &Supply, needed: u32) {
        self.heard += 1;
        let states = || supply.sources.iter().map(|(name, state)| (Severity::of(*state), name));
        if states().filter(|(state, _)| state.is_healthy()).count()
            < usize::try_from(needed).unwrap_or(usize::MAX)
        {
            self.unhealthy.add(node);
        }
        if let Some((state, name)) = states().max_by_key(|(state, _)| *state) {
            let worse = self.worst.as_ref().is_none_or(|(worst, ..)| *worst < state);
            if worse {
                self.worst = Some((state, name.clone(), Group::default()));
            }
            if let Some((worst, source, nodes)) = &mut self.worst
                && (*worst, &*source) == (state, name)
            {
                nodes.add(node);
            }
        }
    }
}
