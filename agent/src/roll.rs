//! The VMs that were attached at run time, and what VMs drew before this process.

use std::collections::{BTreeMap, BTreeSet};

use server::Snapshot;

use crate::checkpoint::{State, Vm};

/// What nobody but the agent knows of its VMs, and the next one must be told.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    /// By id, as they were wanted. One that could not be attached again is among them.
    pub(crate) vms: BTreeMap<String, Vm>,
    /// Those of them that could not be attached again.
    pub(crate) missing: BTreeSet<String>,
    /// Bytes by id.
    before: BTreeMap<String, u64>,
}

impl Roll {
    pub(crate) fn of(state: State) -> Self {
        Self { vms: state.vms, missing: BTreeSet::new(), before: state.served.vms }
    }

    /// These have drawn so much in their lives.
    pub(crate) fn go_on(&mut self, lives: impl Iterator<Item = (String, u64)>) {
        self.before.extend(lives);
    }

    /// What VMs drew before this process.
    pub(crate) fn lives(&self) -> BTreeMap<String, u64> {
        self.before.clone()
    }

    /// Another VM may come under that id. Says whether it was attached at run time.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        self.before.remove(id);
        self.missing.remove(id);
        self.vms.remove(id).is_some()
    }

    /// Has the counters of VMs go on from where they were.
    pub(crate) fn count_on(&self, snapshot: &mut Snapshot) {
        for vm in snapshot.pools.iter_mut().flat_map(|pool| &mut pool.vms) {
            let before = self.before.get(&vm.id).copied().unwrap_or_default();
            vm.node.stats.bytes = vm.node.stats.bytes.saturating_add(before);
        }
    }

    /// What VMs drew in their lives: those of the snapshot, which counted on, and those that wait for another start.
    pub(crate) fn drawn(&self, snapshot: &Snapshot) -> BTreeMap<String, u64> {
        let absent = self.before.iter().filter(|(id, _)| self.vms.contains_key(*id));
        let absent = absent.map(|(id, bytes)| (id.clone(), *bytes));
        let present = snapshot.pools.iter().flat_map(|pool| &pool.vms);
        absent.chain(present.map(|vm| (vm.id.clone(), vm.node.stats.bytes))).collect()
    }
}
