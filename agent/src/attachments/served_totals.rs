//! What VMs, classes and pools were served over all processes and boots.

use std::collections::BTreeMap;

use dataplane::{DataPlaneSnapshot, PoolSnapshot};
use htb::Stats;
use serde::{Deserialize, Serialize};

/// The counters of a node of the class tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeTotals {
    pub bytes: u64,
    pub grants: u64,
    pub borrowed: u64,
    pub lent: u64,
    pub overlimits: u64,
}

/// What was served since a VM was attached, or since the host was set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTotals", into = "StoredTotals")]
pub struct ServedTotals {
    /// By VM.
    pub vms: BTreeMap<String, NodeTotals>,
    /// By pool, then class. A VM that is detached does not lower its class's total.
    pub classes: BTreeMap<String, BTreeMap<String, NodeTotals>>,
    pub pools: BTreeMap<String, NodeTotals>,
}

/// The totals in a checkpoint. The version before reads `vms` and `classes`, and knows bytes only.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredTotals {
    vms: BTreeMap<String, u64>,
    classes: BTreeMap<String, BTreeMap<String, u64>>,
    pools: BTreeMap<String, u64>,
    counters: StoredCounters,
}

/// The other counters, of nodes that have any: grants, borrowed, lent, overlimits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredCounters {
    vms: BTreeMap<String, [u64; 4]>,
    classes: BTreeMap<String, BTreeMap<String, [u64; 4]>>,
    pools: BTreeMap<String, [u64; 4]>,
}

impl NodeTotals {
    fn of(stats: &Stats) -> Self {
        let Stats { bytes, grants, borrowed, lent, overlimits, .. } = *stats;
        Self { bytes, grants, borrowed, lent, overlimits }
    }

    /// Adds these totals to counters. For display only: nobody is charged by them.
    fn add_to(self, stats: &mut Stats) {
        stats.bytes = stats.bytes.saturating_add(self.bytes);
        stats.grants = stats.grants.saturating_add(self.grants);
        stats.borrowed = stats.borrowed.saturating_add(self.borrowed);
        stats.lent = stats.lent.saturating_add(self.lent);
        stats.overlimits = stats.overlimits.saturating_add(self.overlimits);
    }

    fn counters(self) -> Option<[u64; 4]> {
        let counters = [self.grants, self.borrowed, self.lent, self.overlimits];
        (counters != [0; 4]).then_some(counters)
    }

    fn set_counters(&mut self, [grants, borrowed, lent, overlimits]: [u64; 4]) {
        *self = Self { bytes: self.bytes, grants, borrowed, lent, overlimits };
    }
}

/// One level of a [`StoredTotals`].
type StoredNodes = (BTreeMap<String, u64>, BTreeMap<String, [u64; 4]>);

fn store(nodes: &BTreeMap<String, NodeTotals>) -> StoredNodes {
    let bytes = nodes.iter().map(|(name, totals)| (name.clone(), totals.bytes)).collect();
    let counters = nodes.iter().filter_map(|(name, totals)| Some((name.clone(), totals.counters()?)));
    (bytes, counters.collect())
}

fn load((bytes, counters): StoredNodes) -> BTreeMap<String, NodeTotals> {
    let totals = |bytes| NodeTotals { bytes, ..NodeTotals::default() };
    let mut nodes: BTreeMap<_, _> = bytes.into_iter().map(|(name, bytes)| (name, totals(bytes))).collect();
    for (name, counters) in counters {
        nodes.entry(name).or_default().set_counters(counters);
    }
    nodes
}

impl From<ServedTotals> for StoredTotals {
    fn from(totals: ServedTotals) -> Self {
        let mut stored = Self::default();
        (stored.vms, stored.counters.vms) = store(&totals.vms);
        (stored.pools, stored.counters.pools) = store(&totals.pools);
        for (pool, classes) in &totals.classes {
            let (bytes, counters) = store(classes);
            stored.classes.insert(pool.clone(), bytes);
            stored.counters.classes.insert(pool.clone(), counters);
        }
        stored
    }
}

impl From<StoredTotals> for ServedTotals {
    fn from(stored: StoredTotals) -> Self {
        let StoredTotals { vms, classes, pools, mut counters } = stored;
        let classes = classes.into_iter().map(|(pool, bytes)| {
            let counters = counters.classes.remove(&pool).unwrap_or_default();
            (pool, load((bytes, counters)))
        });
        let classes = classes.collect();
        Self { vms: load((vms, counters.vms)), classes, pools: load((pools, counters.pools)) }
    }
}

impl ServedTotals {
    /// Adds these totals to the counters of a snapshot, which count from the start of the process.
    pub(crate) fn add_to(&self, snapshot: &mut DataPlaneSnapshot) {
        for PoolSnapshot { name, node, classes, vms, .. } in &mut snapshot.pools {
            self.pools.get(name).copied().unwrap_or_default().add_to(&mut node.stats);
            let of_classes = self.classes.get(name);
            for class in classes {
                let before = of_classes.and_then(|classes| classes.get(&class.name));
                before.copied().unwrap_or_default().add_to(&mut class.node.stats);
            }
            for vm in vms {
                self.vms.get(&vm.id).copied().unwrap_or_default().add_to(&mut vm.node.stats);
            }
        }
    }

    /// The totals up to now. The snapshot's counters include these totals already. A pool or class that is not in it keeps
    /// its total, and so does a VM if `is_waiting` says that it may still be attached.
    #[must_use]
    pub(crate) fn with(&self, snapshot: &DataPlaneSnapshot, is_waiting: impl Fn(&str) -> bool) -> Self {
        let mut totals = self.clone();
        totals.vms.retain(|id, _| is_waiting(id));
        for PoolSnapshot { name, node, classes, vms, .. } in &snapshot.pools {
            totals.pools.insert(name.clone(), NodeTotals::of(&node.stats));
            let of_classes = totals.classes.entry(name.clone()).or_default();
            of_classes
                .extend(classes.iter().map(|class| (class.name.clone(), NodeTotals::of(&class.node.stats))));
            totals.vms.extend(vms.iter().map(|vm| (vm.id.clone(), NodeTotals::of(&vm.node.stats))));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use dataplane::{ClassSnapshot, Counters, NodeSnapshot, Overlimits, WaitHistogram};
    use htb::{Params, Rate, Tick};

    use super::*;

    fn node(bytes: u64) -> NodeSnapshot {
        let params = Params { rate: Rate(0), ceil: Rate(1), burst: 0, cburst: 0, prio: 4, weight: 100 };
        let stats = Stats {
            bytes,
            grants: 1,
            borrowed: 0,
            lent: 0,
            overlimits: 0,
            backlog: 0,
            waiting_since: None,
            tokens: 0,
            ctokens: 0,
            mode: htb::Mode::CanSend,
        };
        NodeSnapshot { params, stats }
    }

    fn class(name: &str, bytes: u64) -> ClassSnapshot {
        ClassSnapshot {
            name: name.to_owned(),
            parent: None,
            closed: false,
            vms: 0,
            assured: Rate(0),
            node: node(bytes),
            waits: WaitHistogram::default(),
            namespaces: vec![],
        }
    }

    fn pool(gold: u64) -> PoolSnapshot {
        PoolSnapshot {
            name: "default".to_owned(),
            closed: false,
            default_class: "gold".to_owned(),
            node: node(gold),
            buffer: 0,
            overlimits: Overlimits::default(),
            classes: vec![class("gold", gold)],
            vms: vec![],
        }
    }

    fn totals(bytes: u64) -> NodeTotals {
        NodeTotals { bytes, grants: 1, ..NodeTotals::default() }
    }

    fn of_classes(classes: &[(&str, NodeTotals)]) -> BTreeMap<String, BTreeMap<String, NodeTotals>> {
        let classes = classes.iter().map(|(name, totals)| ((*name).to_owned(), *totals)).collect();
        BTreeMap::from([("default".to_owned(), classes)])
    }

    #[test]
    fn totals_of_pools_and_classes_span_restarts_and_keep_deleted_ones() {
        let gone = NodeTotals { overlimits: 3, ..totals(7) };
        let before = ServedTotals {
            classes: of_classes(&[("gold", totals(100)), ("gone", gone)]),
            pools: BTreeMap::from([("default".to_owned(), totals(107)), ("old".to_owned(), totals(9))]),
            ..ServedTotals::default()
        };
        let pool = PoolSnapshot { classes: vec![class("gold", 5), class("new", 1)], ..pool(6) };
        let mut snapshot =
            DataPlaneSnapshot { now: Tick(1), counters: Counters::default(), pools: vec![pool] };
        before.add_to(&mut snapshot);
        let gold = &snapshot.pools[0].classes[0].node.stats;
        assert_eq!((gold.bytes, gold.grants), (105, 2), "what is shown");
        let after = before.with(&snapshot, |_| false);
        let two = |bytes| NodeTotals { grants: 2, ..totals(bytes) };
        assert_eq!(after.classes, of_classes(&[("gold", two(105)), ("gone", gone), ("new", totals(1))]));
        assert_eq!(
            after.pools,
            BTreeMap::from([("default".to_owned(), two(113)), ("old".to_owned(), totals(9))])
        );
    }

    #[test]
    fn a_total_never_wraps() {
        let mut snapshot =
            DataPlaneSnapshot { now: Tick(1), counters: Counters::default(), pools: vec![pool(7)] };
        let before = ServedTotals {
            vms: BTreeMap::from([("a".to_owned(), totals(5))]),
            classes: of_classes(&[("gold", totals(u64::MAX - 1))]),
            ..ServedTotals::default()
        };
        before.add_to(&mut snapshot);
        let total = before.with(&snapshot, |id| id == "a");
        assert_eq!(total.classes["default"]["gold"].bytes, u64::MAX);
        assert_eq!(total.vms, before.vms, "it waits to be attached");
        assert_eq!(before.with(&snapshot, |_| false).vms, BTreeMap::new());
    }

    #[test]
    fn the_version_before_reads_the_bytes_of_what_is_stored() {
        let all = ServedTotals {
            vms: BTreeMap::from([("a".to_owned(), totals(5)), ("idle".to_owned(), NodeTotals::default())]),
            classes: of_classes(&[("gold", totals(5))]),
            pools: BTreeMap::from([("default".to_owned(), totals(5))]),
        };
        let stored = serde_json::to_value(&all).unwrap_or_default();
        assert_eq!(stored["vms"], serde_json::json!({"a": 5, "idle": 0}));
        assert_eq!(stored["classes"], serde_json::json!({"default": {"gold": 5}}));
        assert_eq!(serde_json::from_value::<ServedTotals>(stored).ok(), Some(all));
        let older = serde_json::json!({"vms": {"a": 5}, "classes": {}});
        let read = serde_json::from_value::<ServedTotals>(older).unwrap_or_default();
        assert_eq!(read.vms["a"], NodeTotals { bytes: 5, ..NodeTotals::default() });
    }
}
