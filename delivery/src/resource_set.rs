//! A configuration as named resources, of which only those travel that changed.

use std::collections::BTreeMap;
use std::sync::Arc;

/// 16 bytes that differ where a resource's name or body differ. Whoever encodes a body makes it; the conversation
/// only compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 16]);

impl Hash {
    /// Of two sets without a common element, the hash of both together. Taking out is the same as putting in.
    #[must_use]
    pub fn xor(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }
}

/// Name of a resource: `pool/default`, `class/default/gold`.
pub type ResourceName = Arc<str>;

/// One resource: its body as it travels, and what tells it from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResource<B> {
    /// See [`Hash`].
    pub hash: Hash,
    /// Encoded; the conversation does not look into it.
    pub body: B,
}

/// Names and hashes: all that one side says of what it holds.
pub type Inventory = BTreeMap<ResourceName, Hash>;

/// All resources of a node. Nodes that serve the same share one.
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

/// What turns one content into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<B> {
    /// New ones and others, whole.
    pub changed: Vec<(ResourceName, EncodedResource<B>)>,
    /// Those that go.
    pub removed: Vec<ResourceName>,
}

impl<B> Delta<B> {
    /// Whether both contents are the same.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl<B> ResourceSet<B> {
    /// All hashes combined: equal contents have the same.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// By name.
    pub fn items(&self) -> impl Iterator<Item = (&ResourceName, &EncodedResource<B>)> {
        self.resources.iter()
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Names and hashes.
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
    /// What somebody who holds `inventory` lacks.
    pub fn missing_from(&self, inventory: &Inventory) -> Delta<B> {
        let differs =
            |(name, item): &(&ResourceName, &EncodedResource<B>)| inventory.get(*name) != Some(&item.hash);
        let changed = self.items().filter(differs).map(|(name, item)| (Arc::clone(name), item.clone()));
        let removed = inventory.keys().filter(|name| !self.resources.contains_key(*name)).cloned();
        Delta { changed: changed.collect(), removed: removed.collect() }
    }

    /// What turns `old` into this.
    pub fn since(&self, old: &Self) -> Delta<B> {
        let hash = |name: &ResourceName| old.resources.get(name).map(|item| item.hash);
        let differs = |(name, item): &(&ResourceName, &EncodedResource<B>)| hash(name) != Some(item.hash);
        let changed = self.items().filter(differs).map(|(name, item)| (Arc::clone(name), item.clone()));
        let removed = old.resources.keys().filter(|name| !self.resources.contains_key(*name)).cloned();
        Delta { changed: changed.collect(), removed: removed.collect() }
    }

    /// This with a delta.
    #[must_use]
    pub fn with(&self, delta: Delta<B>) -> Self {
        let mut next = self.clone();
        delta.changed.into_iter().for_each(|(name, item)| next.insert(name, item));
        delta.removed.iter().for_each(|name| next.remove(name));
        next
    }
}

impl<B> FromIterator<(ResourceName, EncodedResource<B>)> for ResourceSet<B> {
    fn from_iter<I: IntoIterator<Item = (ResourceName, EncodedResource<B>)>>(items: I) -> Self {
        let mut content = Self::default();
        items.into_iter().for_each(|(name, item)| content.insert(name, item));
        content
    }
}

/// All hashes of an inventory combined, as [`Content::digest`].
pub fn digest(inventory: &Inventory) -> Hash {
    inventory.values().fold(Hash::default(), |sum, hash| sum.xor(*hash))
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
    fn a_delta_turns_what_is_held_into_what_should_be() {
        let old = content(&[("a", 1), ("b", 2), ("c", 3)]);
        let new = content(&[("a", 1), ("b", 7), ("d", 4)]);
        let delta = new.since(&old);
        assert_eq!(delta.changed.len(), 2);
        assert_eq!(delta.removed, [ResourceName::from("c")]);
        assert_eq!(new.missing_from(&old.inventory()), delta);
        assert_eq!(old.with(delta), new);
    }

    #[test]
    fn the_digest_tells_contents_apart_however_they_came_about() {
        let new = content(&[("a", 1), ("b", 7)]);
        let way = content(&[("c", 3), ("b", 2)]);
        let there = way.with(new.since(&way));
        assert_eq!(there.digest(), new.digest());
        assert_eq!(digest(&there.inventory()), new.digest());
        assert_ne!(way.digest(), new.digest());
    }

    #[test]
    fn nothing_travels_between_equals() {
        let one = content(&[("a", 1)]);
        assert!(one.since(&one.clone()).is_empty());
    }
}
