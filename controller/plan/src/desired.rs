//! The desired specs of a snapshot, in the order in which they are tried.

use std::collections::{BTreeMap, BTreeSet};

use api::{Accepted, EntropyClass, EntropyClassSpec, EntropyPool, EntropyPoolSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::snapshot::ClusterSnapshot;

/// One object: its newest spec, and the one that was accepted before.
pub(crate) struct DesiredSpec<'a, S> {
    pub(crate) name: &'a str,
    pub(crate) generation: i64,
    pub(crate) created: Option<&'a Time>,
    pub(crate) spec: &'a S,
    pub(crate) accepted: Option<&'a Accepted<S>>,
}

/// All objects of a snapshot, each kind in the order in which it is tried.
pub(crate) struct DesiredSpecs<'a> {
    /// By creation, then name.
    pub(crate) pools: Vec<DesiredSpec<'a, EntropyPoolSpec>>,
    /// Parents before children, then by creation, then name; cycles and the classes below them come last.
    pub(crate) classes: Vec<DesiredSpec<'a, EntropyClassSpec>>,
    /// The desired parent of each class.
    parents: BTreeMap<&'a str, Option<&'a str>>,
    pool_names: BTreeSet<&'a str>,
}

impl<'a, S: PartialEq> DesiredSpec<'a, S> {
    fn new(meta: &'a ObjectMeta, spec: &'a S, accepted: Option<&'a Accepted<S>>) -> Self {
        Self {
            name: meta.name.as_deref().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.as_ref(),
            spec,
            accepted,
        }
    }

    /// Whether the spec differs from the accepted one. Specs are compared, not generations: an edit that was
    /// reverted changes nothing.
    pub(crate) fn is_new(&self) -> bool {
        self.accepted.is_none_or(|accepted| accepted.spec != *self.spec)
    }
}

impl<'a> DesiredSpecs<'a> {
    pub(crate) fn of(snapshot: &'a ClusterSnapshot) -> Self {
        let mut pools: Vec<_> = snapshot.pools.iter().map(pool).collect();
        pools.sort_by_key(|candidate| (candidate.created, candidate.name));
        let mut classes: Vec<_> = snapshot.classes.iter().map(class).collect();
        let parents =
            classes.iter().map(|candidate| (candidate.name, candidate.spec.parent.as_deref())).collect();
        let depths = depths(&parents);
        classes.sort_by_key(|candidate| (depths.get(candidate.name), candidate.created, candidate.name));
        let pool_names = pools.iter().map(|candidate| candidate.name).collect();
        Self { pools, classes, parents, pool_names }
    }

    /// Whether such a pool exists, rejected or not.
    pub(crate) fn has_pool(&self, name: &str) -> bool {
        self.pool_names.contains(name)
    }

    /// Whether such a class exists, refused or not.
    pub(crate) fn has_class(&self, name: &str) -> bool {
        self.parents.contains_key(name)
    }

    pub(crate) fn parent(&self, class: &str) -> Option<&'a str> {
        self.parents.get(class).copied().flatten()
    }

    /// The names of all pools, refused or not.
    pub(crate) fn pool_names(&self) -> impl Iterator<Item = &'a str> {
        self.pool_names.iter().copied()
    }
}

fn pool(object: &EntropyPool) -> DesiredSpec<'_, EntropyPoolSpec> {
    let accepted = object.status.as_ref().and_then(|status| status.accepted.as_ref());
    DesiredSpec::new(&object.metadata, &object.spec, accepted)
}

fn class(object: &EntropyClass) -> DesiredSpec<'_, EntropyClassSpec> {
    let accepted = object.status.as_ref().and_then(|status| status.accepted.as_ref());
    DesiredSpec::new(&object.metadata, &object.spec, accepted)
}

/// The number of desired ancestors of each class; `usize::MAX` in and below a cycle.
fn depths<'a>(parents: &BTreeMap<&'a str, Option<&'a str>>) -> BTreeMap<&'a str, usize> {
    let mut depths = BTreeMap::new();
    for &start in parents.keys() {
        let mut path = Vec::new();
        let mut walked = BTreeSet::new();
        let mut next = Some(start);
        let mut depth = loop {
            let Some(class) = next else { break 0 };
            if let Some(&known) = depths.get(class) {
                break 1_usize.saturating_add(known);
            }
            if !walked.insert(class) {
                break usize::MAX;
            }
            path.push(class);
            next = parents.get(class).copied().flatten();
        };
        for class in path.into_iter().rev() {
            depths.insert(class, depth);
            depth = depth.saturating_add(1);
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::depths;
    use std::collections::BTreeMap;

    #[test]
    fn the_depth_of_a_class_is_its_number_of_ancestors_and_a_cycle_has_none() {
        let parents = BTreeMap::from([
            ("c", Some("b")),
            ("b", Some("a")),
            ("a", None),
            ("orphan", Some("gone")),
            ("x", Some("y")),
            ("y", Some("x")),
            ("tail", Some("y")),
        ]);
        let depths = depths(&parents);
        let expected = [("a", 0), ("b", 1), ("c", 2), ("orphan", 1)];
        for (class, depth) in expected {
            assert_eq!(depths[class], depth, "{class}");
        }
        assert!(["x", "y", "tail"].iter().all(|class| depths[class] == usize::MAX));
    }
}
