//! The version of a configuration, and which of two is older.

use std::collections::BTreeMap;

/// A kind of object that a controller watches. Unknown kinds come from a newer peer and are compared too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchedKind(pub u32);

impl WatchedKind {
    /// `EntropyPool`.
    pub const POOLS: Self = Self(1);
    /// `EntropyClass`.
    pub const CLASSES: Self = Self(2);
    pub const NAMESPACES: Self = Self(3);
    pub const NODES: Self = Self(4);
    /// `CSIDriver`.
    pub const DRIVERS: Self = Self(5);

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
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

/// The newest resource version that was seen of each kind.
///
/// Versions are partially ordered: each of two replicas can be ahead in one kind. A configuration that is older
/// in any kind is not applied, and a replica that is behind in a kind lists that kind again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version(BTreeMap<WatchedKind, u64>);

impl Version {
    /// Records a resource version, unless it is older than the known one.
    pub fn observe(&mut self, kind: WatchedKind, resource_version: u64) {
        let newest = self.0.entry(kind).or_default();
        *newest = resource_version.max(*newest);
    }

    /// Records the resource version of a consistent list, even if it is older: the storage may have been
    /// restored from a backup.
    pub fn reset(&mut self, kind: WatchedKind, resource_version: u64) {
        self.0.insert(kind, resource_version);
    }

    /// The newest version of each kind, in ascending order of kinds.
    pub fn seen(&self) -> impl Iterator<Item = (WatchedKind, u64)> + '_ {
        self.0.iter().map(|(kind, newest)| (*kind, *newest))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds in which this is older than `other`. A kind that only one of the two knows does not count: the
    /// peers are of different versions and watch different kinds.
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
        seen.into_iter().for_each(|(kind, newest)| version.observe(kind, newest));
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
    fn a_version_is_older_if_it_is_older_in_any_kind() {
        assert!(version(1, 9).is_older_than(&version(2, 1)));
        assert!(version(2, 1).is_older_than(&version(1, 9)));
        assert!(!version(2, 2).is_older_than(&version(2, 2)));
        assert_eq!(version(1, 9).behind(&version(2, 9)), [WatchedKind::POOLS]);
    }

    #[test]
    fn a_kind_that_only_one_side_knows_does_not_count() {
        let more = Version::from_iter([(WatchedKind::POOLS, 1), (WatchedKind(99), 7)]);
        assert!(!version(1, 1).is_older_than(&more));
        assert!(!more.is_older_than(&version(1, 1)));
        assert!(!Version::default().is_older_than(&more));
    }

    #[test]
    fn observed_versions_only_grow_but_a_list_resets_them() {
        let before = version(5, 5);
        let mut now = before.clone();
        now.observe(WatchedKind::POOLS, 3);
        assert!(!now.is_older_than(&before));
        now.reset(WatchedKind::POOLS, 3);
        assert!(now.is_older_than(&before));
    }
}
