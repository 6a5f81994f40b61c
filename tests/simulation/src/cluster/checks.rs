//! What must hold after every instant.

use std::collections::{BTreeMap, BTreeSet};

use clock::{Span, Tick};
use controller::Store;
use controller::reflector::WatchKind;
use controller::testing::SessionSize;
use delivery::{Hash, Version};

use super::api_server::ApiServer;
use super::node::Node;
use super::replica::Replica;
use crate::violation::Check;

/// How long after the last change everything that is seen of a node is true.
pub(crate) const SETTLED: Span = Span::seconds(25);
/// How long a node offers no older configuration.
const ROLLBACK_AFTER: Span = Span::seconds(60);

/// What is remembered of the past.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Every configuration that was ever planned.
    pub(crate) published: BTreeSet<Hash>,
    /// The version that each node ran last.
    versions: BTreeMap<String, Version>,
    /// The newest generation that was accepted of each object, by kind and name.
    accepted: BTreeMap<String, i64>,
    pub(crate) restored: Option<Tick>,
    /// How often conditions and orphaned VMs of a node changed at a replica, and how they were.
    told: BTreeMap<(usize, String), (u64, String)>,
}

impl Past {
    pub(crate) fn restored(&mut self, now: Tick) {
        self.restored = Some(now);
        self.accepted.clear();
    }

    /// P5 and P6 of what a node has put into effect.
    pub(crate) fn applied(&mut self, now: Tick, node: &Node, content: Hash) -> Result<(), Check> {
        if !self.published.contains(&content) {
            return Err(("P5", format!("{} runs a mixture that nobody planned", node.name)));
        }
        for pool in &node.config.pools {
            let top = pool.classes.iter().filter(|class| class.parent.is_none());
            let promised: u64 = top.map(|class| class.shape.rate.0).sum();
            if promised > pool.shape.rate.0 {
                let what = format!("{} runs pool {} with more promised than it has", node.name, pool.name);
                return Err(("P5", what));
            }
        }
        let version = node.subscriber.version().clone();
        let before = self.versions.insert(node.name.clone(), version.clone());
        let is_older = before.is_some_and(|before| version.is_older_than(&before));
        let may_be = self.restored.is_some_and(|at| now >= at + ROLLBACK_AFTER);
        if is_older && !may_be {
            return Err(("P6", format!("{} went back to an older configuration", node.name)));
        }
        Ok(())
    }

    /// P5 and P6 of what the API server has accepted.
    pub(crate) fn accepted(&mut self, api: &ApiServer) -> Result<(), Check> {
        let pools = api.pools.iter().filter_map(|(name, it)| {
            Some((format!("pool {name}"), it.status.as_ref()?.accepted.as_ref()?.generation))
        });
        let classes = api.classes.iter().filter_map(|(name, it)| {
            let uid = it.metadata.uid.as_deref().unwrap_or_default();
            Some((format!("class {name} {uid}"), it.status.as_ref()?.accepted.as_ref()?.generation))
        });
        for (object, generation) in pools.chain(classes) {
            let before = self.accepted.insert(object.clone(), generation).unwrap_or_default();
            if generation < before {
                let what = format!("of {object}, generation {generation} is accepted again after {before}");
                return Err(("P6", what));
            }
        }
        Ok(())
    }

    /// No report costs more than its bound.
    pub(crate) fn costs(
        &mut self,
        now: Tick,
        begin: Tick,
        replica: usize,
        of: &Replica,
    ) -> Result<(), Check> {
        for (node, (_, session)) in &of.sessions {
            within_bounds(node, session.size())?;
        }
        let reports = of.state.node_reports();
        for (node, report) in &*reports {
            let longest = report.conditions.values().map(|it| it.message.len() + it.reason.len()).max();
            if report.conditions.len() > 8 || longest > Some(1_088) || report.orphaned.len() > 64 + 8 {
                return Err(("cost", format!("{node} has {} conditions", report.conditions.len())));
            }
            let told = format!("{:?}{:?}", report.conditions.keys(), report.orphaned);
            let (changes, last) = self.told.entry((replica, node.clone())).or_default();
            if *last != told {
                (*changes, *last) = (*changes + 1, told);
            }
            // A replica that has started again has told nothing, which is a change of its own.
            let most = 24 + now.since(begin) / Span::seconds(30).0;
            if *changes > most {
                return Err(("cost", format!("what is told of {node} changed {changes} times")));
            }
        }
        Ok(())
    }

    pub(crate) fn crashed(&mut self, replica: usize) {
        self.told.retain(|(of, _), _| *of != replica);
    }
}

fn within_bounds(node: &str, size: SessionSize) -> Result<(), Check> {
    let SessionSize { vms, pools, sources, conditions, orphaned_classes, counted_classes, condition_bytes } =
        size;
    let holds = vms <= 10_000
        && pools <= 1_024
        && sources <= 16
        && conditions <= 8
        // Those of its configuration, which has at most four, and 64 others.
        && orphaned_classes <= 64 + 4
        && counted_classes <= 4 + 1
        && condition_bytes <= 1_024 + 64;
    if holds { Ok(()) } else { Err(("cost", format!("a session of {node} keeps {size:?}"))) }
}

/// Quotas hold, whatever tenants wrote.
pub(crate) fn quotas(api: &ApiServer, nodes: &[Node]) -> Result<(), Check> {
    let mut used: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.byzantine) {
        for (uid, vm) in &node.vms {
            let Some(pod) = api.pods.get(uid) else { continue };
            if vm.moved && !pod.is_launcher() {
                return Err(("quota", format!("{uid}, which is no VM, was moved to {}", vm.class)));
            }
            if vm.moved {
                continue;
            }
            *used.entry((&vm.namespace, &vm.class)).or_default() += u64::from(pod.counted.is_some());
            if pod.counted.as_ref() == Some(&vm.class) && pod.requests(&vm.class) == 0 {
                return Err(("quota", format!("{uid} is in {} and asked for no slot", vm.class)));
            }
        }
    }
    for ((namespace, class), hard) in &api.quotas {
        let used = used.get(&(&**namespace, &**class)).copied().unwrap_or_default();
        if used > *hard {
            return Err(("quota", format!("{namespace} has {used} VMs in {class}, and may have {hard}")));
        }
    }
    Ok(())
}

/// Once nothing has changed for a while, the scheduler sees the slots that there are, and the leader what the agent reported.
pub(crate) fn slots(now: Tick, api: &ApiServer, node: &Node, leader: &Replica) -> Result<(), Check> {
    let planned = leader.state.plan.borrow().clone();
    let Some(config) = planned.as_ref().and_then(|planned| planned.plan.nodes.get(&node.name)) else {
        return Ok(());
    };
    // After a restore it runs what it ran for a minute.
    if node.byzantine || !node.is_settled(now, SETTLED) || **config != *node.config {
        return Ok(());
    }
    let has_slot = |uid: &str, class: &str| api.pods.get(uid).is_some_and(|pod| pod.requests(class) > 0);
    let reports = leader.state.node_reports();
    let reported = reports.get(&node.name);
    for pool in &node.config.pools {
        for class in &pool.classes {
            let there = node.vms.values().filter(|vm| vm.pool == pool.name && vm.class == class.name).count();
            let told = reported.and_then(|it| it.pools.get(&pool.name)?.classes.get(&class.name));
            let told = told.map_or(0, |class| class.vms as usize);
            if told != there {
                let what =
                    format!("{} has {there} VMs in {}, and the leader knows {told}", node.name, class.name);
                return Err(("isolation", what));
            }
        }
    }
    if reported.is_none_or(|report| !report.connected || !report.ready || !report.conditions.is_empty()) {
        return Err(("isolation", format!("{} is well, and the leader says {reported:?}", node.name)));
    }
    let (seen, there) = (&api.nodes[&node.name], node.slots(has_slot));
    if seen.capacity != there {
        let what = format!("{} shows {:?}, and there are {there:?}", node.name, seen.capacity);
        return Err(("places", what));
    }
    if seen.labels.get(api::names::AGENT_LABEL).map(String::as_str) != Some(api::names::AGENT_READY) {
        return Err(("places", format!("{} is ready and not labelled so: {:?}", node.name, seen.labels)));
    }
    Ok(())
}

/// What every node should run, by what the API server has.
pub(crate) fn planned(api: &ApiServer) -> plan::Plan {
    let mut store = Store::default();
    WatchKind::ALL.into_iter().for_each(|kind| api.list(kind, &mut store));
    plan::plan(&store.snapshot())
}

/// In the end every node runs what the newest objects say.
pub(crate) fn converged(api: &ApiServer, nodes: &[Node]) -> Result<(), Check> {
    let plan = planned(api);
    for node in nodes.iter().filter(|node| !node.byzantine) {
        if plan.nodes.get(&node.name).is_none_or(|config| **config != *node.config) {
            return Err(("convergence", format!("{} does not run what was planned last", node.name)));
        }
    }
    Ok(())
}
