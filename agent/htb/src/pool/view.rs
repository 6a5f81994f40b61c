//! The classes and namespaces of a pool, for display.

use alloc::vec::Vec;

use super::{Class, Namespace, PoolShaper};
use crate::slab::NodeId;
use crate::tree::Tree;
use crate::units::Rate;

/// The state of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassView<'a> {
    pub name: &'a str,
    /// `None` for the root.
    pub parent: Option<&'a str>,
    pub node: NodeId,
    /// The number of members.
    pub members: usize,
    /// What its members are assured in total.
    pub assured: Rate,
    /// It is not in the configuration anymore, and stays only for what is below it.
    pub deleted: bool,
}

/// The state of a namespace in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceView<'a> {
    pub name: &'a str,
    /// `None` if namespaces have no nodes.
    pub node: Option<NodeId>,
    /// The number of members in the class.
    pub members: usize,
    /// What these are assured in total.
    pub assured: Rate,
}

impl PoolShaper {
    /// The classes, by name.
    pub fn classes(&self) -> impl Iterator<Item = ClassView<'_>> {
        self.classes.iter().map(|(name, class)| self.view(name, class))
    }

    /// The class of a member, and those above it.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn classes_above(&self, leaf: NodeId) -> Vec<ClassView<'_>> {
        let class = |name: &str| {
            let (name, class) = self.classes.get_key_value(name)?;
            Some(self.view(name, class))
        };
        core::iter::successors(class(self.class_of(leaf)), |below| class(below.parent?)).collect()
    }

    fn view<'a>(&'a self, name: &'a str, class: &'a Class) -> ClassView<'a> {
        ClassView {
            name,
            parent: class.params.parent.as_deref(),
            node: class.node,
            members: class.members(),
            assured: class
                .namespaces
                .values()
                .fold(Rate::ZERO, |sum, group| add(sum, assured(&self.tree, group))),
            deleted: class.deleted,
        }
    }

    /// The namespaces with members in a class, by name; none for an unknown class.
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

/// Saturating, since it is only displayed.
fn add(a: Rate, b: Rate) -> Rate {
    a.checked_add(b).unwrap_or(Rate(u64::MAX))
}
