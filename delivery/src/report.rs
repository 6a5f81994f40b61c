//! How a node stands, as its agent tells it.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::BytesPerDay;

/// What changed since the last report on the same stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The agent itself.
    pub agent: Option<AgentState>,
    /// VMs that came, changed or went.
    pub vms: Option<VmsReport>,
    /// By pool and class.
    pub usage: Option<Usage>,
    /// By pool.
    pub supplies: Option<SupplyReports>,
}

impl Report {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The agent itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentState {
    /// It serves, and takes new VMs.
    pub ready: bool,
    /// By type.
    pub conditions: BTreeMap<String, AgentCondition>,
}

/// Something that holds, or should and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCondition {
    /// Whether it holds.
    pub status: bool,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// VMs by uid.
pub type Vms = BTreeMap<String, VmReport>;

/// VMs that came, changed or went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmsReport {
    /// These are all there are.
    pub whole: bool,
    /// Those that came or changed.
    pub vms: Vms,
    /// Those that went.
    pub gone: BTreeSet<String>,
}

impl VmsReport {
    /// What turns `old` into `new`.
    pub fn between(old: &Vms, new: &Vms) -> Self {
        let changed = new.iter().filter(|(uid, vm)| old.get(*uid) != Some(vm));
        let gone = old.keys().filter(|uid| !new.contains_key(*uid));
        Self {
            whole: false,
            vms: changed.map(|(uid, vm)| (uid.clone(), vm.clone())).collect(),
            gone: gone.cloned().collect(),
        }
    }

    /// Brings what is known up to date.
    pub fn amend(self, known: &mut Vms) {
        if self.whole {
            known.clear();
        }
        known.extend(self.vms);
        self.gone.iter().for_each(|uid| drop(known.remove(uid)));
    }
}

/// A VM that has its socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmReport {
    /// Its pool.
    pub pool: String,
    /// The class it is in.
    pub class: String,
    /// The class of which its pod asked the scheduler for a place.
    pub slot: Option<String>,
    /// It stays only because it was there before.
    pub orphaned: bool,
}

/// What is used, by pool and class.
pub type Usage = BTreeMap<(String, String), ClassUse>;

/// What is used of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassUse {
    /// Members.
    pub vms: u32,
    /// Sum of their assured rates.
    pub assured: BytesPerDay,
    /// Members that wait for bytes.
    pub waiting: u32,
}

/// How pools and their sources stand, by pool.
pub type SupplyReports = BTreeMap<String, SupplyReport>;

/// How a pool stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyReport {
    /// What it serves.
    pub serving: Serving,
    /// Why not what was promised.
    pub message: String,
    /// In the order of the pool.
    pub sources: Vec<SourceReport>,
}

/// What a pool serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serving {
    /// Its sources are in their start-up test.
    Starting,
    /// What was promised.
    Promised,
    /// Stretched bytes, to classes that allow it.
    Degraded,
    /// Nothing.
    Held,
}

/// How a source stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// Its name within the pool.
    pub name: String,
    /// What the tests say.
    pub health: SourceHealth,
    /// One word; empty while it is healthy.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// What health tests say of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceHealth {
    /// Passes.
    Healthy,
    /// In its start-up test.
    Starting,
    /// Alarmed, and in its start-up test again.
    Suspect,
    /// Cannot be read.
    Unavailable,
    /// Off until somebody asks for a new test.
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
    fn a_report_of_changes_brings_the_other_side_up_to_date() {
        let (old, mut new) = (vms(&["a", "b"]), vms(&["b", "c"]));
        "gold".clone_into(&mut new.get_mut("b").expect("it was put in").class);
        let mut known = old.clone();
        VmsReport::between(&old, &new).amend(&mut known);
        assert_eq!(known, new);
    }

    #[test]
    fn a_whole_report_forgets_what_was_known() {
        let mut known = vms(&["a"]);
        VmsReport { whole: true, vms: vms(&["b"]), ..VmsReport::default() }.amend(&mut known);
        assert_eq!(known, vms(&["b"]));
    }
}
