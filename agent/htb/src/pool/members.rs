//! Members that come, move and go, and what that means for the others.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::shares::{default_burst, scale, shrunk};
use super::{Admission, AttachError, Class, Fairness, Member, Namespace, Pool, Shape};
use crate::params::{DEFAULT_PRIO, Params};
use crate::slab::NodeId;
use crate::tree::Tree;
use crate::units::{Rate, Tick};

impl Pool {
    /// Takes a new member from `namespace` into `class` (`""`: the default class). Its buckets are full.
    pub fn attach(&mut self, namespace: &str, class: &str, now: Tick) -> Result<NodeId, AttachError> {
        let class = self.admit(namespace, class)?;
        Ok(self.join(namespace, class, now))
    }

    /// The same for one that had its place there before: whether there is room was asked then.
    pub fn attach_again(&mut self, namespace: &str, class: &str, now: Tick) -> Result<NodeId, AttachError> {
        let class = self.open(class)?;
        Ok(self.join(namespace, class, now))
    }

    fn join(&mut self, namespace: &str, class: String, now: Tick) -> NodeId {
        let entry = admitted(&mut self.classes, &class);
        let group = entry.group(&mut self.tree, namespace, now);
        let leaf = self.tree.add_leaf(group, entry.params.per_vm.among_equals(), now);
        entry.join(&mut self.tree, namespace, leaf, now);
        self.remember(Member { leaf, class, namespace: namespace.to_string() });
        leaf
    }

    /// Lets a member go, with what it is owed and owes.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn detach(&mut self, leaf: NodeId, now: Tick) {
        let (class, namespace) = (self.class_of(leaf).to_string(), self.namespace_of(leaf).to_string());
        self.tree.remove(leaf, now).expect("a leaf has no children and is not the root");
        self.members[leaf.index()] = None;
        self.leave(&class, &namespace, leaf, now);
    }

    /// Moves a member to another class (`""`: the default class). It keeps what it is owed, its tokens and debts.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn move_to(&mut self, leaf: NodeId, class: &str, now: Tick) -> Result<(), AttachError> {
        let (from, namespace) = (self.class_of(leaf).to_string(), self.namespace_of(leaf).to_string());
        let same = from == if class.is_empty() { self.default_class.as_str() } else { class };
        if same {
            return Ok(());
        }
        let class = self.admit(&namespace, class)?;
        let entry = admitted(&mut self.classes, &class);
        let group = entry.group(&mut self.tree, &namespace, now);
        self.tree.set_parent(leaf, group, now).expect("a leaf can stand below any inner node");
        entry.join(&mut self.tree, &namespace, leaf, now);
        self.remember(Member { leaf, class, namespace: namespace.clone() });
        self.leave(&from, &namespace, leaf, now);
        Ok(())
    }

    fn remember(&mut self, member: Member) {
        let at = member.leaf.index();
        if self.members.len() <= at {
            self.members.resize_with(at.saturating_add(1), || None);
        }
        self.members[at] = Some(member);
    }

    /// The leaf is no longer below the class.
    fn leave(&mut self, class: &str, namespace: &str, leaf: NodeId, now: Tick) {
        let entry = self.classes.get_mut(class).expect("the class of a member");
        let group = entry.namespaces.get_mut(namespace).expect("the namespace of a member");
        group.members.retain(|&member| member != leaf);
        if group.members.is_empty() {
            if let Some(node) = group.node {
                self.tree.remove(node, now).expect("a namespace without members has no children");
            }
            entry.namespaces.remove(namespace);
        }
        entry.share_out(&mut self.tree, now);
        self.remove_unused(now);
    }
}

impl Class {
    /// The node under which members from that namespace stand; makes it if need be.
    fn group(&mut self, tree: &mut Tree, namespace: &str, now: Tick) -> NodeId {
        let grouped = self.is_grouped();
        let params = self.group_params(Rate::ZERO, 1);
        let group = self.namespaces.entry(String::from(namespace)).or_default();
        if grouped && group.node.is_none() {
            group.node = Some(tree.add_class(self.node, params, now));
        }
        group.node.unwrap_or(self.node)
    }

    fn join(&mut self, tree: &mut Tree, namespace: &str, leaf: NodeId, now: Tick) {
        self.namespaces.get_mut(namespace).expect("a namespace that has its group").members.push(leaf);
        self.share_out(tree, now);
    }

    /// Whether namespaces have nodes of their own: to be equals, or to have a ceil.
    fn is_grouped(&self) -> bool {
        self.params.fairness == Fairness::Namespace || self.params.per_namespace.ceil.is_some()
    }

    /// Puts the members where the class's parameters now say.
    pub(super) fn regroup(&mut self, tree: &mut Tree, now: Tick) {
        let grouped = self.is_grouped();
        for name in self.namespaces.keys().cloned().collect::<Vec<_>>() {
            let group = self.group(tree, &name, now);
            let Namespace { node, members } = self.namespaces.get_mut(&name).expect("a name of this map");
            let parent = if grouped { group } else { self.node };
            for &leaf in &*members {
                tree.set_parent(leaf, parent, now).expect("a leaf can stand below any inner node");
            }
            if let Some(node) = node.take_if(|_| !grouped) {
                tree.remove(node, now).expect("its members have just been moved away");
            }
        }
        self.share_out(tree, now);
    }

    /// Gives namespaces and members what they are assured, now that there are so many. The rates below the class
    /// never sum to more than the class's, but where a strict promise was made before the class shrank.
    pub(super) fn share_out(&mut self, tree: &mut Tree, now: Tick) {
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
                apply(tree, node, self.group_params(rate, group.members.len()), now);
            }
            let leaf = Shape { rate: each, ..self.params.per_vm }.among_equals();
            group.members.iter().for_each(|&member| apply(tree, member, leaf, now));
        }
    }

    /// What a namespace is assured beyond its members' sum.
    fn extra(&self, sum: Rate) -> Rate {
        Rate(self.params.per_namespace.rate.map_or(0, |rate| rate.0.saturating_sub(sum.0)))
    }

    /// What each of so many members is assured of `rate`.
    fn assured_each(&self, members: usize, rate: Rate) -> Rate {
        let each = self.params.per_vm.rate;
        match self.params.admission {
            Admission::Strict => each,
            Admission::Proportional => shrunk(each, members, rate),
        }
    }

    /// The node of a namespace: equal to its siblings, or, where members are to be, as heavy as it has members.
    fn group_params(&self, rate: Rate, members: usize) -> Params {
        let ceil = self.params.per_namespace.ceil.unwrap_or(self.params.shape.ceil);
        let shape = Shape { rate, ceil, burst: default_burst(rate), cburst: default_burst(ceil) };
        match self.params.fairness {
            Fairness::Namespace => shape.among_equals(),
            Fairness::Vm => shape.params(DEFAULT_PRIO, u16::try_from(members).unwrap_or(u16::MAX)),
        }
    }
}

fn admitted<'a>(classes: &'a mut BTreeMap<String, Class>, name: &str) -> &'a mut Class {
    classes.get_mut(name).expect("a class that has admitted a member")
}

/// What a namespace's members are assured together.
fn total(each: Rate, group: &Namespace) -> Rate {
    Rate(each.0.saturating_mul(group.members.len() as u64))
}

fn apply(tree: &mut Tree, node: NodeId, params: Params, now: Tick) {
    if tree.params(node) != params {
        tree.set_params(node, params, now);
    }
}
