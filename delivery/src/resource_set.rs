//! A configuration as named resources, of which only the changed ones are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// 16 bytes that differ if the names or the bodies of two resources differ. The encoder of a body computes them;
/// this crate only compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 16]);

impl Hash {
    /// The hash of two disjoint sets together. Removing a set is the same operation as adding it.
    #[must_use]
    pub fn xor(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }
}

/// The name of a resource, such as `pool/default` or `class/default/gold`.
pub type ResourceName = Arc<str>;

/// A resource as it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResource<B> {
    pub hash: Hash,
    pub body: B,
}

/// The names and hashes of the resources that one side holds.
pub type Inventory = BTreeMap<ResourceName, Hash>;

/// All resources of a node. Nodes with equal configurations share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSet<B> {
    resources: BTreeMap<ResourceName, EncodedResource<B>>,
    digest: Hash,
}

impl<B> Default for ResourceSet<B> {
    fn default() -> Self {
        Self { resources: BTreeMap::new(), digest: Hash::default() }
    }
}

/// The difference between two resource sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<B> {
    /// New and changed resources.
    pub changed: Vec<(ResourceName, EncodedResource<B>)>,
    pub removed: Vec<ResourceName>,
}

impl<B> Delta<B> {
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl<B> ResourceSet<B> {
    /// All hashes combined. Equal sets have equal digests.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// By name.
    pub fn items(&self) -> impl Iterator<Item = (&ResourceName, &EncodedResource<B>)> {
        self.resources.iter()
    }

    pub fn len(&self) -> usize {
        self.resources.len()
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The pools that it has resources of.
    pub(crate) fn pools(&self) -> BTreeSet<&str> {
        self.resources.keys().filter_map(|name| pool_of(name)).collect()
    }

    pub fn inventory(&self) -> Inventory {
        self.resources.iter().map(|(name, item)| (Arc::clone(name), item.hash)).collect()
    }

    fn insert(&mut self, name: ResourceName, item: EncodedResource<B>) {
        self.digest = self.digest.xor(item.hash);
        if let Some(old) = self.resources.insert(name, item) {
            self.digest = self.digest.xor(old.hash);
        }
    }

    fn remove(&mut self, name: &ResourceName) {
        if let Some(old) = self.resources.remove(name) {
            self.digest = self.digest.xor(old.hash);
        }
    }
}

impl<B: Clone> ResourceSet<B> {
    /// The difference to this set from what `inventory` lists.
    pub fn missing_from(&self, inventory: &Inventory) -> Delta<B> {
        let differs =
            |(name, item): &(&ResourceName, &EncodedResource<B>)| inventory.get(*name) != Some(&item.hash);
        let changed = self.items().filter(differs).map(|(name, item)| (Arc::clone(name), item.clone()));
        let removed = inventory.keys().filter(|name| !self.resources.contains_key(*name)).cloned();
        Delta { changed: changed.collect(), removed: removed.collect() }
    }

    /// The difference to this set from `old`.
    pub fn delta_from(&self, old: &Self) -> Delta<B> {
        let hash = |name: &ResourceName| old.resources.get(name).map(|item| item.hash);
        let differs = |(name, item): &(&ResourceName, &EncodedResource<B>)| hash(name) != Some(item.hash);
        let changed = self.items().filter(differs).map(|(name, item)| (Arc::clone(name), item.clone()));
        let removed = old.resources.keys().filter(|name| !self.resources.contains_key(*name)).cloned();
        Delta { changed: changed.collect(), removed: removed.collect() }
    }

    /// This set with a delta applied.
    #[must_use]
    pub fn apply(&self, delta: Delta<B>) -> Self {
        let mut next = self.clone();
        delta.changed.into_iter().for_each(|(name, item)| next.insert(name, item));
        delta.removed.iter().for_each(|name| next.remove(name));
        next
    }
}

impl<B: Clone> ResourceSet<B> {
    /// This set, except that the resources of these pools are those of `before`.
    #[must_use]
    pub fn with_pools_of(&self, before: &Self, is_kept: impl Fn(&str) -> bool) -> Self {
        let kept = |name: &ResourceName| pool_of(name).is_some_and(&is_kept);
        let own = self.items().filter(|(name, _)| !kept(name));
        let all = own.chain(before.items().filter(|(name, _)| kept(name)));
        all.map(|(name, item)| (Arc::clone(name), item.clone())).collect()
    }
}

/// `inventory`, except that the resources of these pools are those of `before`.
pub(crate) fn with_pools_of(
    inventory: &Inventory,
    before: &Inventory,
    is_kept: impl Fn(&str) -> bool,
) -> Inventory {
    let kept = |name: &ResourceName| pool_of(name).is_some_and(&is_kept);
    let own = inventory.iter().filter(|(name, _)| !kept(name));
    let all = own.chain(before.iter().filter(|(name, _)| kept(name)));
    all.map(|(name, hash)| (Arc::clone(name), *hash)).collect()
}

impl<B> FromIterator<(ResourceName, EncodedResource<B>)> for ResourceSet<B> {
    fn from_iter<I: IntoIterator<Item = (ResourceName, EncodedResource<B>)>>(items: I) -> Self {
        let mut content = Self::default();
        items.into_iter().for_each(|(name, item)| content.insert(name, item));
        content
    }
}

/// All hashes of an inventory combined, as in [`ResourceSet::digest`].
pub fn digest(inventory: &Inventory) -> Hash {
    inventory.values().fold(Hash::default(), |sum, hash| sum.xor(*hash))
}

/// The pool that a resource of this name belongs to; `None` if it belongs to the node as a whole.
pub fn pool_of(name: &str) -> Option<&str> {
    match name.split_once('/')? {
        ("pool", pool) => Some(pool),
        ("class", class) => Some(class.split_once('/')?.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(items: &[(&str, u8)]) -> ResourceSet<u8> {
        let item = |&(name, body): &(&str, u8)| {
            (ResourceName::from(name), EncodedResource { hash: hash(name, body), body })
        };
        items.iter().map(item).collect()
    }

    fn hash(name: &str, body: u8) -> Hash {
        let first = name.bytes().next().unwrap_or_default();
        Hash(std::array::from_fn(|at| if at == 0 { first } else { body }))
    }

    #[test]
    fn a_delta_turns_one_set_into_the_other() {
        let old = content(&[("a", 1), ("b", 2), ("c", 3)]);
        let new = content(&[("a", 1), ("b", 7), ("d", 4)]);
        let delta = new.delta_from(&old);
        assert_eq!(delta.changed.len(), 2);
        assert_eq!(delta.removed, [ResourceName::from("c")]);
        assert_eq!(new.missing_from(&old.inventory()), delta);
        assert_eq!(old.apply(delta), new);
    }

    #[test]
    fn the_digest_depends_only_on_the_contents() {
        let new = content(&[("a", 1), ("b", 7)]);
        let start = content(&[("c", 3), ("b", 2)]);
        let reached = start.apply(new.delta_from(&start));
        assert_eq!(reached.digest(), new.digest());
        assert_eq!(digest(&reached.inventory()), new.digest());
        assert_ne!(start.digest(), new.digest());
    }

    #[test]
    fn pools_are_kept_whole_and_nothing_else_is() {
        let before =
            content(&[("pool/a", 1), ("class/a/x", 1), ("class/a/gone", 1), ("pool/b", 1), ("node", 1)]);
        let after =
            content(&[("pool/a", 2), ("class/a/x", 2), ("class/a/new", 2), ("pool/b", 2), ("pool/ab", 2)]);
        let expected =
            content(&[("pool/a", 1), ("class/a/x", 1), ("class/a/gone", 1), ("pool/b", 2), ("pool/ab", 2)]);
        let is_kept = |pool: &str| pool == "a";
        assert_eq!(after.with_pools_of(&before, is_kept), expected);
        assert_eq!(with_pools_of(&after.inventory(), &before.inventory(), is_kept), expected.inventory());
    }

    #[test]
    fn equal_sets_have_an_empty_delta() {
        let one = content(&[("a", 1)]);
        assert!(one.delta_from(&one.clone()).is_empty());
    }
}
