//! What a configuration was made from, and which of two is older.

use std::collections::BTreeMap;

/// A kind of object that a controller watches. A kind that is not among the named ones comes from a newer peer and
/// is compared all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchedKind(pub u32);

impl WatchedKind {
    /// `EntropyPool`.
    pub const POOLS: Self = Self(1);
    /// `EntropyClass`.
    pub const CLASSES: Self = Self(2);
    /// Namespaces.
    pub const NAMESPACES: Self = Self(3);
    /// Nodes.
    pub const NODES: Self = Self(4);
    /// `CSIDriver`.
    pub const DRIVERS: Self = Self(5);

    /// What it is called in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::POOLS => "pools",
            Self::CLASSES => "classes",
            Self::NAMESPACES => "namespaces",
            Self::NODES => "nodes",
            Self::DRIVERS => "drivers",
            _ => "others",
        }
    }
}

/// The newest resource version seen of each kind.
///
/// Versions are ordered in part only: of two replicas each may be ahead in one kind. What is older in any kind is
/// not taken, and whoever is behind in a kind lists that kind anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version(BTreeMap<WatchedKind, u64>);

impl Version {
    /// Notes a resource version; an older one than is known changes nothing.
    pub fn see(&mut self, kind: WatchedKind, resource_version: u64) {
        let newest = self.0.entry(kind).or_default();
        *newest = resource_version.max(*newest);
    }

    /// Notes what a consistent list says, be it older than what is known: the storage may have been restored.
    pub fn list(&mut self, kind: WatchedKind, resource_version: u64) {
        self.0.insert(kind, resource_version);
    }

    /// What was seen of each kind, ascending.
    pub fn seen(&self) -> impl Iterator<Item = (WatchedKind, u64)> + '_ {
        self.0.iter().map(|(kind, newest)| (*kind, *newest))
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds in which this is older than `other`. A kind that one of the two does not know tells nothing: one of
    /// the peers is of another version, which watches something else.
    pub fn behind(&self, other: &Self) -> Vec<WatchedKind> {
        let older = |(kind, newest): &(WatchedKind, u64)| self.0.get(kind).is_some_and(|own| own < newest);
        other.seen().filter(older).map(|(kind, _)| kind).collect()
    }

    /// Whether this is older than `other` in any kind.
    pub fn is_older_than(&self, other: &Self) -> bool {
        !self.behind(other).is_empty()
    }
}

impl FromIterator<(WatchedKind, u64)> for Version {
    fn from_iter<I: IntoIterator<Item = (WatchedKind, u64)>>(seen: I) -> Self {
        let mut version = Self::default();
        seen.into_iter().for_each(|(kind, newest)| version.see(kind, newest));
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(pools: u64, classes: u64) -> Version {
        Version::from_iter([(WatchedKind::POOLS, pools), (WatchedKind::CLASSES, classes)])
    }

    #[test]
    fn a_version_is_older_if_it_is_so_in_any_kind() {
        assert!(version(1, 9).is_older_than(&version(2, 1)));
        assert!(version(2, 1).is_older_than(&version(1, 9)));
        assert!(!version(2, 2).is_older_than(&version(2, 2)));
        assert_eq!(version(1, 9).behind(&version(2, 9)), [WatchedKind::POOLS]);
    }

    #[test]
    fn a_kind_that_only_one_side_knows_tells_nothing() {
        let more = Version::from_iter([(WatchedKind::POOLS, 1), (WatchedKind(99), 7)]);
        assert!(!version(1, 1).is_older_than(&more));
        assert!(!more.is_older_than(&version(1, 1)));
        assert!(!Version::default().is_older_than(&more));
    }

    #[test]
    fn what_was_seen_only_grows_but_a_list_is_believed() {
        let before = version(5, 5);
        let mut now = before.clone();
        now.see(WatchedKind::POOLS, 3);
        assert!(!now.is_older_than(&before));
        now.list(WatchedKind::POOLS, 3);
        assert!(now.is_older_than(&before));
    }
}
