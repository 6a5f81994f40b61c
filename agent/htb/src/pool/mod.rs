//! A pool: classes by name, namespaces within them, members as leaves. If the [`Fairness`] or the limits of a class
//! require it, each namespace with members has an inner node between the class and its members. The pool decides
//! whether a class has room ([`PoolShaper::attach`]), and not who may use it.

mod admit;
mod configure;
mod members;
mod params;
mod view;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

pub use admit::AdmissionError;
pub use configure::ConfigureError;
pub use params::{
    Admission, ClassParams, Fairness, NamespaceBound, PoolParams, Shape, default_burst, members_that_fit,
};
pub use view::{ClassView, NamespaceView};

use crate::slab::NodeId;
use crate::tree::Tree;

/// The tree of a pool, and the names in it.
#[derive(Debug)]
pub struct PoolShaper {
    tree: Tree,
    default_class: String,
    classes: BTreeMap<String, Class>,
    /// By the index of the leaf.
    members: Vec<Option<MemberLeaf>>,
}

#[derive(Debug)]
struct Class {
    params: ClassParams,
    node: NodeId,
    /// It is not in the configuration anymore, and stays for its members or for those of a class below it.
    deleted: bool,
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Debug, Default)]
struct Namespace {
    /// Its own node, if the class has nodes for namespaces.
    node: Option<NodeId>,
    members: Vec<NodeId>,
}

#[derive(Debug)]
struct MemberLeaf {
    leaf: NodeId,
    class: String,
    namespace: String,
}

impl Class {
    fn members(&self) -> usize {
        self.namespaces.values().map(|namespace| namespace.members.len()).sum()
    }

    fn members_of(&self, namespace: &str) -> usize {
        self.namespaces.get(namespace).map_or(0, |namespace| namespace.members.len())
    }
}

impl PoolShaper {
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The tree, to serve from. Only the pool adds, moves and removes nodes.
    pub fn tree_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// The class of a member.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn class_of(&self, leaf: NodeId) -> &str {
        &self.member(leaf).class
    }

    /// The namespace of a member.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn namespace_of(&self, leaf: NodeId) -> &str {
        &self.member(leaf).namespace
    }

    /// The node of a member's namespace in its class, if that has nodes for namespaces.
    ///
    /// # Panics
    /// If `leaf` is not a member of this pool.
    pub fn namespace_node(&self, leaf: NodeId) -> Option<NodeId> {
        let MemberLeaf { class, namespace, .. } = self.member(leaf);
        self.classes.get(class)?.namespaces.get(namespace)?.node
    }

    fn member(&self, leaf: NodeId) -> &MemberLeaf {
        let member = self.members.get(leaf.index()).and_then(Option::as_ref);
        member.filter(|member| member.leaf == leaf).expect("a member of this pool")
    }
}
