//! The specs that run, as they are found one after the other.

use std::collections::BTreeMap;

use api::{EntropyClassSpec, EntropyPoolSpec, Rate};

use crate::budget::{Budget, Holder};
use crate::effective;
use crate::snapshot::Node;
use crate::supply::Layout;

/// The objects accepted so far. Every class in it stands under a parent that is in it, in a pool that is in it.
#[derive(Debug)]
pub(crate) struct ResolvedPools<'a> {
    pub(crate) nodes: &'a BTreeMap<String, Node>,
    pub(crate) pools: BTreeMap<&'a str, PlacedPool<'a>>,
    pub(crate) classes: BTreeMap<&'a str, &'a EntropyClassSpec>,
    pub(crate) held: Budget<'a>,
}

/// A pool with what its nodes make of it.
#[derive(Debug)]
pub(crate) struct PlacedPool<'a> {
    pub(crate) layout: Layout<'a>,
    /// What every node may promise, in bytes a day.
    pub(crate) rate: u64,
}

impl<'a> PlacedPool<'a> {
    pub(crate) fn of(spec: &'a EntropyPoolSpec, nodes: &'a BTreeMap<String, Node>) -> Self {
        let layout = Layout::of(spec, nodes);
        let rates = layout.uses().into_iter().map(|used| effective::root(spec, layout.gives(&used)).rate.0);
        // There is always one set of sources, also without a node.
        let rate = rates.min().unwrap_or_default();
        Self { layout, rate }
    }
}

impl<'a> ResolvedPools<'a> {
    pub(crate) fn empty(nodes: &'a BTreeMap<String, Node>) -> Self {
        Self { nodes, pools: BTreeMap::new(), classes: BTreeMap::new(), held: Budget::default() }
    }

    /// Puts a class where its spec says, out of its former place.
    pub(crate) fn place_class(&mut self, name: &'a str, spec: &'a EntropyClassSpec) {
        if let Some(former) = self.classes.insert(name, spec) {
            self.held.strike(holder(former), name);
        }
        self.held.enter(holder(spec), name, assured(spec));
    }

    /// Whether the pool and the parent that a class names are here, and belong together.
    pub(crate) fn has_place_for(&self, spec: &EntropyClassSpec) -> bool {
        let parent = spec.parent.as_deref().map(|parent| self.classes.get(parent));
        self.pools.contains_key(&*spec.pool)
            && parent.is_none_or(|parent| parent.is_some_and(|it| it.pool == spec.pool))
    }

    /// What a parent may promise, in bytes a day; nothing if there is no such parent.
    pub(crate) fn limit(&self, holder: Holder<'_>) -> Option<u64> {
        match holder {
            Holder::Pool(name) => self.pools.get(name).map(|pool| pool.rate),
            Holder::Class(name) => self.classes.get(name).map(|spec| assured(spec)),
        }
    }

    /// The parent of a class, and its parent, up to the root's last class.
    pub(crate) fn ancestors(&self, parent: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        std::iter::successors(parent, |class| self.classes.get(class)?.parent.as_deref())
    }

    /// How many levels of classes there are from a class down, itself counted.
    pub(crate) fn height(&self, class: &'a str) -> usize {
        let mut level = vec![class];
        let mut height = 0;
        while !level.is_empty() {
            height += 1;
            let below = level.iter().filter_map(|class| self.held.of(Holder::Class(class)));
            level = below.flat_map(crate::budget::Commitment::classes).collect();
        }
        height
    }
}

/// Whose rate a class is assured out of.
pub(crate) fn holder(spec: &EntropyClassSpec) -> Holder<'_> {
    spec.parent.as_deref().map_or(Holder::Pool(&spec.pool), Holder::Class)
}

/// What a class is assured, in bytes a day.
pub(crate) fn assured(spec: &EntropyClassSpec) -> u64 {
    per_day(spec.rate.as_ref())
}

/// An optional rate in bytes a day; absent is none.
pub(crate) fn per_day(rate: Option<&Rate>) -> u64 {
    rate.map_or(0, Rate::bytes_per_day)
}
