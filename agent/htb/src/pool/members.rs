//! Attaches, moves and detaches members, and updates what all are assured.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::params::{default_burst, scale, shrink};
use super::{Admission, AdmissionError, Class, Fairness, MemberLeaf, Namespace, PoolShaper, Shape};
use crate::node::{DEFAULT_PRIO, Params};
use crate::slab::NodeId;
use crate::tree::Tree;
use crate::units::{Rate, Tick};

impl PoolShaper {
    /// Adds a member from `namespace` to `class` (`""`: the default class), with full buckets.
    pub fn attach(&mut self, namespace: &str, class: &str, now: Tick) -> Result<NodeId, AdmissionError> {
        let class = self.admit(namespace, class)?;
        Ok(self.add_member(namespace, class, now))
    }

    /// Adds a member that was attached before, for example before a restart, without checking for room.
    pub fn attach_restored(
        &mut self,
        namespace: &str,
        class: &str,
        now: Tick,
    ) -> Result<NodeId, AdmissionError> {
        let class = self.find_open(class)?;
        Ok(self.add_member(namespace, class, now))
    }

    fn add_member(&mut self, namespace: &str, class: String, now: Tick) -> NodeId {
        let entry = class_mut(&mut self.classes, &class);
        let group = entry.namespace_node(&mut self.tree, namespace, now);
        let leaf = self.tree.add_leaf(group, entry.params.per_vm.among_equals(), now);
        entry.add_leaf(&mut self.tree, namespace, leaf, now);
        self.record(MemberLeaf { leaf, class, namespace: namespace.to_string() });
        leaf
    }

    /// Removes a member, with its backlog and its debts.
    ///
    /// # Panics
    ///
    /// If `leaf` is not a member of this pool.
    pub fn detach(&mut self, leaf: NodeId, now: Tick) {
        let (class, namespace) = (self.class_of(leaf).to_string(), self.namespace_of(leaf).to_string());
        self.tree.remove(leaf, now).expect("a leaf has no children and is not the root");
        self.members[leaf.index()] = None;
        self.remove_leaf(&class, &namespace, leaf, now);
    }

    /// Moves a member to another class (`""`: the default class), with its backlog, tokens and debts.
    ///
    /// # Panics
    ///
    /// If `leaf` is not a member of this pool.
    pub fn move_to(&mut self, leaf: NodeId, class: &str, now: Tick) -> Result<(), AdmissionError> {
        let (from, namespace) = (self.class_of(leaf).to_string(), self.namespace_of(leaf).to_string());
        let same = from == if class.is_empty() { self.default_class.as_str() } else { class };
        if same {
            return Ok(());
        }
        let class = self.admit(&namespace, class)?;
        let entry = class_mut(&mut self.classes, &class);
        let group = entry.namespace_node(&mut self.tree, &namespace, now);
        self.tree.set_parent(leaf, group, now).expect("a leaf can stand below any inner node");
        entry.add_leaf(&mut self.tree, &namespace, leaf, now);
        self.record(MemberLeaf { leaf, class, namespace: namespace.clone() });
        self.remove_leaf(&from, &namespace, leaf, now);
        Ok(())
    }

    fn record(&mut self, member: MemberLeaf) {
        let at = member.leaf.index();
        if self.members.len() <= at {
            self.members.resize_with(at.saturating_add(1), || None);
        }
        self.members[at] = Some(member);
    }

    /// Removes a leaf from the members of a class, and everything that is then unused.
    fn remove_leaf(&mut self, class: &str, namespace: &str, leaf: NodeId, now: Tick) {
        let entry = self.classes.get_mut(class).expect("the class of a member");
        let group = entry.namespaces.get_mut(namespace).expect("the namespace of a member");
        group.members.retain(|&member| member != leaf);
        if group.members.is_empty() {
            if let Some(node) = group.node {
                self.tree.remove(node, now).expect("a namespace without members has no children");
            }
            entry.namespaces.remove(namespace);
        }
        entry.update_rates(&mut self.tree, now);
        self.remove_unused(now);
    }
}

impl Class {
    /// The parent node of members from a namespace, which is created if it does not exist.
    fn namespace_node(&mut self, tree: &mut Tree, namespace: &str, now: Tick) -> NodeId {
        let grouped = self.groups_namespaces();
        let params = self.namespace_params(Rate::ZERO, 1);
        let group = self.namespaces.entry(String::from(namespace)).or_default();
        if grouped && group.node.is_none() {
            group.node = Some(tree.add_class(self.node, params, now));
        }
        group.node.unwrap_or(self.node)
    }

    fn add_leaf(&mut self, tree: &mut Tree, namespace: &str, leaf: NodeId, now: Tick) {
        self.namespaces.get_mut(namespace).expect("a namespace with its node").members.push(leaf);
        self.update_rates(tree, now);
    }

    /// Whether namespaces have nodes of their own: to share equally, or to have a ceil.
    fn groups_namespaces(&self) -> bool {
        self.params.fairness == Fairness::Namespace || self.params.per_namespace.ceil.is_some()
    }

    /// Moves the members to where the parameters of the class now put them.
    pub(super) fn regroup(&mut self, tree: &mut Tree, now: Tick) {
        let grouped = self.groups_namespaces();
        for name in self.namespaces.keys().cloned().collect::<Vec<_>>() {
            let group = self.namespace_node(tree, &name, now);
            let Namespace { node, members } = self.namespaces.get_mut(&name).expect("a name of this map");
            let parent = if grouped { group } else { self.node };
            for &leaf in &*members {
                tree.set_parent(leaf, parent, now).expect("a leaf can stand below any inner node");
            }
            if let Some(node) = node.take_if(|_| !grouped) {
                tree.remove(node, now).expect("its members have just been moved away");
            }
        }
        self.update_rates(tree, now);
    }

    /// Updates what namespaces and members are assured for their present numbers. The rates below the class
    /// never exceed the class's in total, unless it shrank after strict promises were made.
    pub(super) fn update_rates(&mut self, tree: &mut Tree, now: Tick) {
        let class_wide = self.assured_each(self.members(), self.params.shape.rate);
        let each = |group: &Namespace| match self.params.per_namespace.rate {
            Some(rate) => class_wide.min(self.assured_each(group.members.len(), rate)),
            None => class_wide,
        };
        let (mut promised, mut extra) = (0_u128, 0_u128);
        for group in self.namespaces.values() {
            let sum = total(each(group), group);
            promised = promised.saturating_add(u128::from(sum.0));
            extra = extra.saturating_add(u128::from(self.extra(sum).0));
        }
        let class_rate = u128::from(self.params.shape.rate.0);
        let spare = Rate(u64::try_from(class_rate.saturating_sub(promised)).unwrap_or(u64::MAX));
        for group in self.namespaces.values() {
            let (each, sum) = (each(group), total(each(group), group));
            if let Some(node) = group.node {
                let own = self.extra(sum);
                let own = if extra > u128::from(spare.0) { scale(own, spare, extra) } else { own };
                let rate = Rate(sum.0.saturating_add(own.0));
                apply(tree, node, self.namespace_params(rate, group.members.len()), now);
            }
            let leaf = Shape { rate: each, ..self.params.per_vm }.among_equals();
            group.members.iter().for_each(|&member| apply(tree, member, leaf, now));
        }
    }

    /// What a namespace is assured beyond the sum of its members.
    fn extra(&self, sum: Rate) -> Rate {
        Rate(self.params.per_namespace.rate.map_or(0, |rate| rate.0.saturating_sub(sum.0)))
    }

    /// What each of `members` is assured of `rate`.
    fn assured_each(&self, members: usize, rate: Rate) -> Rate {
        let each = self.params.per_vm.rate;
        match self.params.admission {
            Admission::Strict => each,
            Admission::Proportional => shrink(each, members, rate),
        }
    }

    /// The parameters of a namespace's node: those of an equal among its siblings, or a weight of its number of
    /// members if members are to be equal.
    fn namespace_params(&self, rate: Rate, members: usize) -> Params {
        let ceil = self.params.per_namespace.ceil.unwrap_or(self.params.shape.ceil);
        let shape = Shape { rate, ceil, burst: default_burst(rate), cburst: default_burst(ceil) };
        match self.params.fairness {
            Fairness::Namespace => shape.among_equals(),
            Fairness::Vm => shape.params(DEFAULT_PRIO, u16::try_from(members).unwrap_or(u16::MAX)),
        }
    }
}

fn class_mut<'a>(classes: &'a mut BTreeMap<String, Class>, name: &str) -> &'a mut Class {
    classes.get_mut(name).expect("a class that admits a member")
}

/// What the members of a namespace are assured in total.
fn total(each: Rate, group: &Namespace) -> Rate {
    Rate(each.0.saturating_mul(group.members.len() as u64))
}

fn apply(tree: &mut Tree, node: NodeId, params: Params, now: Tick) {
    if tree.params(node) != params {
        tree.set_params(node, params, now);
    }
}
