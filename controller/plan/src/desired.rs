//! What the objects of a snapshot ask for, in the order in which it is tried.

use std::collections::{BTreeMap, BTreeSet};

use api::{Accepted, EntropyClass, EntropyClassSpec, EntropyPool, EntropyPoolSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::snapshot::Snapshot;

/// One object: what its owner wants, and what was accepted of it before.
pub(crate) struct DesiredSpec<'a, S> {
    pub(crate) name: &'a str,
    pub(crate) generation: i64,
    pub(crate) created: Option<&'a Time>,
    pub(crate) spec: &'a S,
    pub(crate) accepted: Option<&'a Accepted<S>>,
}

/// All objects of a snapshot, each kind in the order of trial.
pub(crate) struct DesiredSpecs<'a> {
    /// By creation, then name.
    pub(crate) pools: Vec<DesiredSpec<'a, EntropyPoolSpec>>,
    /// Parents before children, then by creation, then name; what hangs on a cycle comes last.
    pub(crate) classes: Vec<DesiredSpec<'a, EntropyClassSpec>>,
    /// The parent each class asks for.
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

    /// Whether the spec says something else than what was accepted. Specs are compared, not generations: an
    /// edit that was taken back asks for nothing.
    pub(crate) fn is_new(&self) -> bool {
        self.accepted.is_none_or(|accepted| accepted.spec != *self.spec)
    }
}

impl<'a> DesiredSpecs<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let mut pools: Vec<_> = snapshot.pools.iter().map(pool).collect();
        pools.sort_by_key(|wish| (wish.created, wish.name));
        let mut classes: Vec<_> = snapshot.classes.iter().map(class).collect();
        let parents = classes.iter().map(|wish| (wish.name, wish.spec.parent.as_deref())).collect();
        let depths = depths(&parents);
        classes.sort_by_key(|wish| (depths.get(wish.name), wish.created, wish.name));
        let pool_names = pools.iter().map(|wish| wish.name).collect();
        Self { pools, classes, parents, pool_names }
    }

    /// Whether somebody wrote such a pool, refused or not.
    pub(crate) fn has_pool(&self, name: &str) -> bool {
        self.pool_names.contains(name)
    }

    /// Whether somebody wrote such a class, refused or not.
    pub(crate) fn has_class(&self, name: &str) -> bool {
        self.parents.contains_key(name)
    }

    /// The parent that a class asks for.
    pub(crate) fn parent(&self, class: &str) -> Option<&'a str> {
        self.parents.get(class).copied().flatten()
    }

    /// Names of all pools somebody wrote.
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

/// How many wished ancestors each class has; `usize::MAX` in and below a cycle.
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
    fn a_class_is_as_deep_as_it_has_ancestors_and_a_cycle_has_no_bottom() {
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
