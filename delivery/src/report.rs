//! The state of a node, as its agent reports it.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::BytesPerDay;

/// What has changed since the last report on the same stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub agent: Option<AgentState>,
    pub vms: Option<VmsReport>,
    pub usage: Option<Usage>,
    pub supplies: Option<SupplyReports>,
}

impl Report {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The state of the agent itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentState {
    /// It serves, and accepts new VMs.
    pub ready: bool,
    /// By type.
    pub conditions: BTreeMap<String, AgentCondition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCondition {
    pub status: bool,
    pub reason: String,
    pub message: String,
}

/// VMs by uid.
pub type Vms = BTreeMap<String, VmReport>;

/// VMs that were added, changed or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmsReport {
    /// The report is complete: other VMs do not exist.
    pub whole: bool,
    /// Those that were added or changed.
    pub vms: Vms,
    /// Those that were removed.
    pub gone: BTreeSet<String>,
}

impl VmsReport {
    /// The difference from `old` to `new`.
    pub fn between(old: &Vms, new: &Vms) -> Self {
        let changed = new.iter().filter(|(uid, vm)| old.get(*uid) != Some(vm));
        let gone = old.keys().filter(|uid| !new.contains_key(*uid));
        Self {
            whole: false,
            vms: changed.map(|(uid, vm)| (uid.clone(), vm.clone())).collect(),
            gone: gone.cloned().collect(),
        }
    }

    /// Updates the known VMs.
    pub fn apply_to(self, known: &mut Vms) {
        if self.whole {
            known.clear();
        }
        known.extend(self.vms);
        self.gone.iter().for_each(|uid| drop(known.remove(uid)));
    }
}

/// An attached VM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmReport {
    pub pool: String,
    pub class: String,
    /// The class of the slot that its pod has requested from the scheduler.
    pub slot: Option<String>,
    /// Its pool or class was deleted, or its namespace may no longer use it, and the VM keeps its former limits.
    pub orphaned: bool,
}

/// The usage by pool and class.
pub type Usage = BTreeMap<(String, String), ClassUse>;

/// The usage of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassUse {
    pub vms: u32,
    /// The sum of the VMs' assured rates.
    pub assured: BytesPerDay,
    /// VMs that wait for bytes.
    pub waiting: u32,
}

/// The state of pools and their sources, by pool.
pub type SupplyReports = BTreeMap<String, SupplyReport>;

/// The state of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyReport {
    pub serving: ServingState,
    /// Why it does not serve what is promised.
    pub message: String,
    /// In the order of the pool.
    pub sources: Vec<SourceReport>,
}

/// What a pool serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServingState {
    /// Nothing yet: its sources are in their start-up test.
    Starting,
    /// What is promised.
    Promised,
    /// Stretched bytes, to classes that allow it.
    Degraded,
    /// Nothing.
    Held,
}

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    pub name: String,
    pub health: SourceState,
    /// Empty while it is healthy.
    pub reason: String,
    pub message: String,
    /// The last alarm since the last retest.
    pub alarm: Option<AlarmReport>,
}

/// An alarm of a health test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmReport {
    /// Counts the alarms of the source for the pool.
    pub ordinal: u64,
    /// The test, as one word.
    pub test: String,
    /// What the test counted.
    pub count: u64,
    /// Bytes that were tested before.
    pub offset: u64,
    /// Whether the source is off until a retest passes.
    pub permanent: bool,
}

/// The health of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceState {
    /// It passes its tests.
    Healthy,
    /// It is in its start-up test.
    Starting,
    /// A test failed, and it is in its start-up test again.
    Suspect,
    /// It cannot be read.
    Unavailable,
    /// It is not used until a retest is requested.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vms(uids: &[&str]) -> Vms {
        uids.iter()
            .map(|uid| ((*uid).to_owned(), VmReport { pool: "p".to_owned(), ..VmReport::default() }))
            .collect()
    }

    #[test]
    fn a_report_of_changes_updates_the_known_vms() {
        let (old, mut new) = (vms(&["a", "b"]), vms(&["b", "c"]));
        "gold".clone_into(&mut new.get_mut("b").expect("it was put in").class);
        let mut known = old.clone();
        VmsReport::between(&old, &new).apply_to(&mut known);
        assert_eq!(known, new);
    }

    #[test]
    fn a_complete_report_replaces_the_known_vms() {
        let mut known = vms(&["a"]);
        VmsReport { whole: true, vms: vms(&["b"]), ..VmsReport::default() }.apply_to(&mut known);
        assert_eq!(known, vms(&["b"]));
    }
}
