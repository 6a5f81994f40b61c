//! The VMs of a pool by their leaves, and counters that outlive them.

use std::collections::HashMap;

use htb::NodeId;

use super::wait_histogram::WaitHistogram;
use crate::slab::Key;

#[derive(Debug, Default)]
pub(crate) struct Members {
    /// By the leaf's index.
    leaves: Vec<Option<MemberEntry>>,
    /// Classes that ever had a member.
    classes: Vec<ClassMembers>,
    /// Their indices, by name.
    by_name: HashMap<String, usize>,
    /// Of VMs and namespaces that were removed.
    removed: Overlimits,
}

#[derive(Clone, Copy, Debug)]
struct MemberEntry {
    leaf: NodeId,
    vm: Key,
    /// Index of its class.
    class: usize,
}

#[derive(Debug)]
struct ClassMembers {
    waits: WaitHistogram,
}

/// How often demand exceeded a ceil, by the ceil's owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlimits {
    pub vm: u64,
    /// Of a namespace in a class.
    pub namespace: u64,
}

impl Members {
    pub(crate) fn vm(&self, leaf: NodeId) -> Option<Key> {
        self.leaves.get(leaf.index()).copied().flatten().map(|member| member.vm)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.leaves.iter().flatten().count()
    }

    /// Counts a grant to a leaf that had waited this many nanoseconds.
    pub(crate) fn observe_wait(&mut self, leaf: NodeId, waited: u64) {
        let member = self.leaves.get(leaf.index()).copied().flatten();
        if let Some(class) = member.and_then(|member| self.classes.get_mut(member.class)) {
            class.waits.observe(waited);
        }
    }

    pub(crate) fn waits(&self, class: &str) -> WaitHistogram {
        let class = self.by_name.get(class).and_then(|&at| self.classes.get(at));
        class.map(|class| class.waits).unwrap_or_default()
    }

    /// The leaves of all members.
    pub(super) fn leaves(&self) -> impl Iterator<Item = NodeId> {
        self.leaves.iter().flatten().map(|member| member.leaf)
    }

    pub(super) fn removed(&self) -> Overlimits {
        self.removed
    }

    /// Removes a member, and keeps its overlimits.
    pub(super) fn remove(&mut self, leaf: NodeId, overlimits: u64) {
        self.removed.vm += overlimits;
        if let Some(member) = self.leaves.get_mut(leaf.index()) {
            *member = None;
        }
    }

    pub(super) fn add_removed_namespace(&mut self, overlimits: u64) {
        self.removed.namespace += overlimits;
    }

    pub(super) fn set(&mut self, leaf: NodeId, vm: Key, class: &str) {
        if self.leaves.len() <= leaf.index() {
            self.leaves.resize(leaf.index() + 1, None);
        }
        let class = self.by_name.get(class).copied().unwrap_or_else(|| {
            self.by_name.insert(class.to_owned(), self.classes.len());
            self.classes.push(ClassMembers { waits: WaitHistogram::default() });
            self.classes.len() - 1
        });
        self.leaves[leaf.index()] = Some(MemberEntry { leaf, vm, class });
    }
}
