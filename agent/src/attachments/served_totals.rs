//! How many bytes VMs and classes were served over all processes and boots.

use std::collections::BTreeMap;

use dataplane::{DataPlaneSnapshot, PoolSnapshot};
use serde::{Deserialize, Serialize};

/// Bytes served since a VM was attached, or since the host was set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedTotals {
    /// By VM.
    #[serde(default)]
    pub vms: BTreeMap<String, u64>,
    /// By pool, then class. A VM that is detached does not lower its class's total.
    #[serde(default)]
    pub classes: BTreeMap<String, BTreeMap<String, u64>>,
}

impl ServedTotals {
    /// Adds these totals to the VM counters of a snapshot, which count from the start of the process.
    pub(crate) fn add_to(&self, snapshot: &mut DataPlaneSnapshot) {
        for vm in snapshot.pools.iter_mut().flat_map(|pool| &mut pool.vms) {
            let before = self.vms.get(&vm.id).copied().unwrap_or_default();
            vm.node.stats.bytes = vm.node.stats.bytes.saturating_add(before);
        }
    }

    /// The totals up to now. The snapshot's VM counters include these totals already; a VM that is not in it keeps its
    /// total if `is_waiting` says that it may still be attached.
    #[must_use]
    pub(crate) fn with(&self, snapshot: &DataPlaneSnapshot, is_waiting: impl Fn(&str) -> bool) -> Self {
        let waiting = self.vms.iter().filter(|(id, _)| is_waiting(id));
        let mut vms: BTreeMap<_, _> = waiting.map(|(id, bytes)| (id.clone(), *bytes)).collect();
        for vm in snapshot.pools.iter().flat_map(|pool| &pool.vms) {
            vms.insert(vm.id.clone(), vm.node.stats.bytes);
        }
        let mut classes = self.classes.clone();
        for PoolSnapshot { name, classes: served, .. } in &snapshot.pools {
            let totals = classes.entry(name.clone()).or_default();
            for class in served {
                let total = totals.entry(class.name.clone()).or_default();
                // For display only: no VM is charged by it.
                *total = total.saturating_add(class.node.stats.bytes);
            }
        }
        Self { vms, classes }
    }
}

#[cfg(test)]
mod tests {
    use dataplane::{ClassSnapshot, Counters, NodeSnapshot, Overlimits, WaitHistogram};
    use htb::{Params, Rate, Stats, Tick};

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

    #[test]
    fn class_totals_span_restarts_and_keep_deleted_classes() {
        let of = |classes: &[(&str, u64)]| {
            let classes = classes.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
            BTreeMap::from([("default".to_owned(), classes)])
        };
        let before = ServedTotals { classes: of(&[("gold", 100), ("gone", 7)]), ..ServedTotals::default() };
        let pool = PoolSnapshot { classes: vec![class("gold", 5), class("new", 1)], ..pool(0) };
        let snapshot = DataPlaneSnapshot { now: Tick(1), counters: Counters::default(), pools: vec![pool] };
        let counted = of(&[("gold", 105), ("gone", 7), ("new", 1)]);
        assert_eq!(before.with(&snapshot, |_| false).classes, counted);
    }

    #[test]
    fn a_total_never_wraps() {
        let mut snapshot =
            DataPlaneSnapshot { now: Tick(1), counters: Counters::default(), pools: vec![pool(7)] };
        let gold = BTreeMap::from([("gold".to_owned(), u64::MAX - 1)]);
        let classes = BTreeMap::from([("default".to_owned(), gold)]);
        let before = ServedTotals { vms: BTreeMap::from([("a".to_owned(), 5)]), classes };
        before.add_to(&mut snapshot);
        let total = before.with(&snapshot, |id| id == "a");
        assert_eq!(total.classes["default"]["gold"], u64::MAX);
        assert_eq!(total.vms, before.vms, "it waits to be attached");
        assert_eq!(before.with(&snapshot, |_| false).vms, BTreeMap::new());
    }
}
