//! The VMs of a pool by their leaves, and what is counted of them beyond their lives.

use htb::pool::AttachError;
use htb::{NodeId, Tick};

use crate::pool::WaitHistogram;
use crate::pool::{NextGrant, Pool};
use crate::slab::Key;

/// Who the leaves of a pool's tree are.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// By the leaf's index.
    leaves: Vec<Option<MemberEntry>>,
    /// Classes that ever had a member.
    classes: Vec<ClassMembers>,
    /// What those that went had been held back.
    gone: Overlimits,
}

#[derive(Clone, Copy, Debug)]
struct MemberEntry {
    leaf: NodeId,
    vm: Key,
    /// Its place among the classes.
    class: usize,
}

/// A class, under the name that it has in the tree.
#[derive(Debug)]
struct ClassMembers {
    name: String,
    waits: WaitHistogram,
}

/// How often a ceil did not let through what was wanted, by whose it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlimits {
    /// A VM's own.
    pub vm: u64,
    /// That of a namespace in a class.
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

    /// A leaf was granted something that it had waited for so long.
    pub(crate) fn granted(&mut self, leaf: NodeId, waited: u64) {
        let member = self.leaves.get(leaf.index()).copied().flatten();
        if let Some(class) = member.and_then(|member| self.classes.get_mut(member.class)) {
            class.waits.note(waited);
        }
    }

    /// How long the members of a class waited.
    pub(crate) fn waits(&self, class: &str) -> WaitHistogram {
        self.classes.iter().find(|known| known.name == class).map(|class| class.waits).unwrap_or_default()
    }

    fn set(&mut self, leaf: NodeId, vm: Key, class: &str) {
        if self.leaves.len() <= leaf.index() {
            self.leaves.resize(leaf.index() + 1, None);
        }
        let known = self.classes.iter().position(|known| known.name == class);
        let class = known.unwrap_or_else(|| {
            self.classes.push(ClassMembers { name: class.to_owned(), waits: WaitHistogram::default() });
            self.classes.len() - 1
        });
        self.leaves[leaf.index()] = Some(MemberEntry { leaf, vm, class });
    }
}

impl Pool {
    /// A leaf is this VM's, in the class in which the tree has it now.
    pub(crate) fn set_member(&mut self, leaf: NodeId, vm: Key) {
        self.members.set(leaf, vm, self.shaper.class_of(leaf));
    }

    /// Takes a leaf away, and all that it is owed and owes.
    pub(crate) fn release(&mut self, leaf: NodeId, now: Tick) {
        let (own, group) = (self.overlimits(leaf), self.group(leaf));
        self.shaper.detach(leaf, now);
        self.members.gone.vm += own;
        self.has_left(group);
        if let Some(member) = self.members.leaves.get_mut(leaf.index()) {
            *member = None;
        }
        self.next = NextGrant::Now;
    }

    /// Moves a leaf to another class (`""`: the default class).
    pub(crate) fn move_member(&mut self, leaf: NodeId, class: &str, now: Tick) -> Result<(), AttachError> {
        let group = self.group(leaf);
        self.shaper.move_to(leaf, class, now)?;
        self.has_left(group);
        if let Some(vm) = self.members.vm(leaf) {
            self.set_member(leaf, vm);
        }
        self.next = NextGrant::Now;
        Ok(())
    }

    /// The node of a leaf's namespace, if it has one, and what is counted of it.
    fn group(&self, leaf: NodeId) -> Option<(NodeId, u64)> {
        let (class, name) = (self.shaper.class_of(leaf), self.shaper.namespace_of(leaf));
        let node = self.shaper.namespaces(class).find(|namespace| namespace.name == name)?.node?;
        Some((node, self.overlimits(node)))
    }

    /// A namespace goes with the last of its members; what was counted of it stays.
    fn has_left(&mut self, group: Option<(NodeId, u64)>) {
        let gone = group.filter(|&(node, _)| !self.shaper.tree().contains(node));
        self.members.gone.namespace += gone.map_or(0, |(_, overlimits)| overlimits);
    }

    /// Of all VMs and namespaces that it has and had.
    pub(crate) fn overlimits_below_classes(&self) -> Overlimits {
        let mut sum = self.members.gone;
        let groups = self.shaper.classes().flat_map(|class| self.shaper.namespaces(class.name));
        sum.namespace += groups.filter_map(|group| group.node).map(|node| self.overlimits(node)).sum::<u64>();
        sum.vm +=
            self.members.leaves.iter().flatten().map(|member| self.overlimits(member.leaf)).sum::<u64>();
        sum
    }

    fn overlimits(&self, node: NodeId) -> u64 {
        let tree = self.shaper.tree();
        // What is counted does not change with time.
        tree.stats(node, Tick(0)).overlimits
    }
}
