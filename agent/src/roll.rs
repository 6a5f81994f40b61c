//! The VMs that were attached at run time, and what VMs drew before this process.

use std::collections::{BTreeMap, BTreeSet};

use dataplane::{AttachError, PoolSnapshot, Snapshot};

use crate::checkpoint::{CheckpointState, SavedVm, ServedTotals};

/// What nobody but the agent knows of its VMs, and the next one must be told.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    /// By id, as they were wanted. One that could not be attached again is among them.
    pub(crate) vms: BTreeMap<String, SavedVm>,
    /// Those of them that could not be attached again.
    pub(crate) missing: BTreeSet<String>,
    /// Those that another process is about to leave to this one, by id.
    pub(crate) expected: BTreeSet<String>,
    /// Those that went since somebody asked, by id.
    gone: BTreeSet<String>,
    /// Bytes by id.
    before: BTreeMap<String, u64>,
    /// Bytes by pool and class, which no VM that goes takes along.
    classes: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Roll {
    pub(crate) fn of(state: CheckpointState) -> Self {
        let ServedTotals { vms: before, classes } = state.served;
        Self { vms: state.vms, before, classes, ..Self::default() }
    }

    /// These have drawn so much in their lives. Those that are not expected are not remembered.
    pub(crate) fn go_on<'a>(&mut self, lives: impl Iterator<Item = (&'a str, u64)>) {
        let expected = std::mem::take(&mut self.expected);
        self.before
            .extend(lives.filter(|(id, _)| expected.contains(*id)).map(|(id, bytes)| (id.to_owned(), bytes)));
    }

    /// What VMs drew before this process.
    pub(crate) fn lives(&self) -> BTreeMap<String, u64> {
        self.before.clone()
    }

    /// Another VM may come under that id. Says whether it was attached at run time.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        self.gone.insert(id.to_owned());
        self.before.remove(id);
        self.missing.remove(id);
        self.vms.remove(id).is_some()
    }

    /// The VMs that went since this was asked last.
    pub(crate) fn take_gone(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.gone)
    }

    /// Has the counters of VMs go on from where they were.
    pub(crate) fn count_on(&self, snapshot: &mut Snapshot) {
        for vm in snapshot.pools.iter_mut().flat_map(|pool| &mut pool.vms) {
            let before = self.before.get(&vm.id).copied().unwrap_or_default();
            vm.node.stats.bytes = vm.node.stats.bytes.saturating_add(before);
        }
    }

    /// What was served since the host was set up, as far as this process was told; the snapshot has counted on.
    pub(crate) fn served(&self, snapshot: &Snapshot) -> ServedTotals {
        let of_pool = |pool: &PoolSnapshot| {
            let classes = pool.classes.iter().map(|class| (class.name.clone(), class.node.stats.bytes));
            (pool.name.clone(), classes.collect())
        };
        let since =
            ServedTotals { classes: snapshot.pools.iter().map(of_pool).collect(), ..ServedTotals::default() };
        let before = ServedTotals { classes: self.classes.clone(), ..ServedTotals::default() };
        ServedTotals { vms: self.drawn(snapshot), ..before.add(&since) }
    }

    /// What VMs drew in their lives: those of the snapshot, which counted on, and those that wait for another start.
    fn drawn(&self, snapshot: &Snapshot) -> BTreeMap<String, u64> {
        let absent = self.before.iter().filter(|(id, _)| self.vms.contains_key(*id));
        let absent = absent.map(|(id, bytes)| (id.clone(), *bytes));
        let present = snapshot.pools.iter().flat_map(|pool| &pool.vms);
        absent.chain(present.map(|vm| (vm.id.clone(), vm.node.stats.bytes))).collect()
    }
}

/// Says which VMs are not served, and when it is tried `again`.
pub(crate) fn lament(failed: impl IntoIterator<Item = (String, AttachError)>, again: &str) {
    for (vm, error) in failed {
        let reason = error.reason();
        tracing::warn!(
            vm,
            reason,
            error = format!("{error}; it is tried again {again}"),
            "not attached again"
        );
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

    #[test]
    fn classes_count_on_over_restarts_also_those_that_are_gone() {
        let of = |classes: &[(&str, u64)]| {
            let classes = classes.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
            BTreeMap::from([("default".to_owned(), classes)])
        };
        let served = ServedTotals { classes: of(&[("gold", 100), ("gone", 7)]), ..ServedTotals::default() };
        let roll = Roll::of(CheckpointState { served: served, ..CheckpointState::default() });
        let pool = PoolSnapshot {
            name: "default".to_owned(),
            closed: false,
            default_class: "gold".to_owned(),
            node: node(6),
            buffer: 0,
            overlimits: Overlimits::default(),
            classes: vec![class("gold", 5), class("new", 1)],
            vms: vec![],
        };
        let snapshot = Snapshot { now: Tick(1), counters: Counters::default(), pools: vec![pool] };
        let counted = of(&[("gold", 105), ("gone", 7), ("new", 1)]);
        assert_eq!(roll.served(&snapshot).classes, counted);
    }
}
