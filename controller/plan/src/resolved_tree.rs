//! The pools and classes that run, as a tree that grows while specs are admitted.

use std::collections::BTreeMap;

use api::{EntropyClassSpec, EntropyPoolSpec};

use crate::budget::{Budget, Commitment, Parent};
use crate::effective::{self, assured};
use crate::snapshot::ClusterNode;
use crate::supply::PoolLayout;

/// The specs admitted so far. Invariant: the pool and the parent of every class in it are in it too.
#[derive(Debug)]
pub(crate) struct ResolvedTree<'a> {
    pub(crate) nodes: &'a BTreeMap<String, ClusterNode>,
    pub(crate) pools: BTreeMap<&'a str, ResolvedPool<'a>>,
    pub(crate) classes: BTreeMap<&'a str, &'a EntropyClassSpec>,
    pub(crate) budget: Budget<'a>,
}

/// A pool and its layout on the nodes that it selects.
#[derive(Debug)]
pub(crate) struct ResolvedPool<'a> {
    pub(crate) layout: PoolLayout<'a>,
    /// What the pool may promise on every node, in bytes a day.
    pub(crate) rate: u64,
}

impl<'a> ResolvedPool<'a> {
    pub(crate) fn of(spec: &'a EntropyPoolSpec, nodes: &'a BTreeMap<String, ClusterNode>) -> Self {
        let layout = PoolLayout::of(spec, nodes);
        let sets = layout.source_sets().into_iter();
        let rates = sets.map(|sources| effective::root(spec, layout.rate_of(&sources)).rate.0);
        // There is always one set of sources, even without a node.
        let rate = rates.min().unwrap_or_default();
        Self { layout, rate }
    }
}

impl<'a> ResolvedTree<'a> {
    pub(crate) fn empty(nodes: &'a BTreeMap<String, ClusterNode>) -> Self {
        Self { nodes, pools: BTreeMap::new(), classes: BTreeMap::new(), budget: Budget::default() }
    }

    /// Inserts a class under the parent that its spec names, and removes it from its former one.
    pub(crate) fn insert_class(&mut self, name: &'a str, spec: &'a EntropyClassSpec) {
        if let Some(former) = self.classes.insert(name, spec) {
            self.budget.remove(parent_of(former), name);
        }
        self.budget.insert(parent_of(spec), name, assured(spec));
    }

    /// Whether the pool and the parent that a class names are in the tree, and belong together.
    pub(crate) fn has_parent_of(&self, spec: &EntropyClassSpec) -> bool {
        let parent = spec.parent.as_deref().map(|parent| self.classes.get(parent));
        self.pools.contains_key(&*spec.pool)
            && parent.is_none_or(|parent| parent.is_some_and(|it| it.pool == spec.pool))
    }

    /// What a parent may promise, in bytes a day; `None` if it is not in the tree.
    pub(crate) fn limit(&self, parent: Parent<'_>) -> Option<u64> {
        match parent {
            Parent::Pool(name) => self.pools.get(name).map(|pool| pool.rate),
            Parent::Class(name) => self.classes.get(name).map(|spec| assured(spec)),
        }
    }

    /// The given parent and its ancestors, up to the class below the root.
    pub(crate) fn ancestors(&self, parent: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        std::iter::successors(parent, |class| self.classes.get(class)?.parent.as_deref())
    }

    /// The number of levels of the subtree of a class, its own level included.
    pub(crate) fn height(&self, class: &'a str) -> usize {
        let mut level = vec![class];
        let mut height = 0;
        while !level.is_empty() {
            height += 1;
            let below = level.iter().filter_map(|class| self.budget.get(Parent::Class(class)));
            level = below.flat_map(Commitment::classes).collect();
        }
        height
    }
}

/// The node of the tree whose rate a class's rate is part of.
pub(crate) fn parent_of(spec: &EntropyClassSpec) -> Parent<'_> {
    spec.parent.as_deref().map_or(Parent::Pool(&spec.pool), Parent::Class)
}
