//! A pool's classes and namespaces as others see them.

use super::{Class, Namespace, Pool};
use crate::slab::NodeId;
use crate::tree::Tree;
use crate::units::Rate;

/// A class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The class above; none: the root is.
    pub parent: Option<&'a str>,
    /// Its node.
    pub node: NodeId,
    /// How many members it has.
    pub members: usize,
    /// What its members are assured together.
    pub assured: Rate,
    /// It has gone from the configuration and stays only for what is below it.
    pub closed: bool,
}

/// A namespace in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its node, where namespaces have one.
    pub node: Option<NodeId>,
    /// How many members of the class it has.
    pub members: usize,
    /// What these are assured together.
    pub assured: Rate,
}

impl Pool {
    /// The classes by name.
    pub fn classes(&self) -> impl Iterator<Item = ClassView<'_>> {
        self.classes.iter().map(|(name, class)| ClassView {
            name,
            parent: class.params.parent.as_deref(),
            node: class.node,
            members: class.members(),
            assured: class
                .namespaces
                .values()
                .fold(Rate::ZERO, |sum, group| add(sum, assured(&self.tree, group))),
            closed: class.closed,
        })
    }

    /// The namespaces that have members in a class, by name; none for a class that does not exist.
    pub fn namespaces(&self, class: &str) -> impl Iterator<Item = NamespaceView<'_>> {
        let groups = self.classes.get(class).map(Class::groups);
        groups.into_iter().flatten().map(|(name, group)| NamespaceView {
            name,
            node: group.node,
            members: group.members.len(),
            assured: assured(&self.tree, group),
        })
    }
}

impl Class {
    fn groups(&self) -> impl Iterator<Item = (&str, &Namespace)> {
        self.namespaces.iter().map(|(name, group)| (name.as_str(), group))
    }
}

fn assured(tree: &Tree, group: &Namespace) -> Rate {
    group.members.iter().fold(Rate::ZERO, |sum, &leaf| add(sum, tree.params(leaf).rate))
}

/// For showing: a sum beyond 64 bits is shown as the largest rate.
fn add(a: Rate, b: Rate) -> Rate {
    a.checked_add(b).unwrap_or(Rate(u64::MAX))
}
