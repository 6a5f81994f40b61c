//! Passes each condition once, when it has lasted for a while. Time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

/// A condition that ends sooner is not reported: a starting agent is not ready for a moment, and the VMs of a deleted
/// class may be deleted together with it.
const MIN_DURATION: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct PersistenceFilter<K> {
    known: BTreeMap<K, KnownCondition>,
}

impl<K> Default for PersistenceFilter<K> {
    fn default() -> Self {
        Self { known: BTreeMap::new() }
    }
}

#[derive(Debug)]
struct KnownCondition {
    since: Duration,
    passed: bool,
}

impl<K: Ord + Clone> PersistenceFilter<K> {
    /// The keys to report now, out of all that are true now. A key that is no longer true is forgotten.
    pub(super) fn due(&mut self, now: Duration, current: impl Iterator<Item = K>) -> Vec<K> {
        let mut before = std::mem::take(&mut self.known);
        let mut due = Vec::new();
        for key in current {
            let mut known = before.remove(&key).unwrap_or(KnownCondition { since: now, passed: false });
            if !known.passed && known.since + MIN_DURATION <= now {
                known.passed = true;
                due.push(key.clone());
            }
            self.known.insert(key, known);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_condition_is_passed_once_and_again_only_after_it_ended() {
        let mut filter = PersistenceFilter::default();
        let mut at = |second, current: &[&'static str]| {
            filter.due(Duration::from_secs(second), current.iter().copied())
        };
        assert!(at(100, &["a"]).is_empty());
        assert!(at(109, &["a", "b"]).is_empty());
        assert_eq!(at(110, &["a", "b"]), ["a"]);
        assert_eq!(at(119, &["a", "b"]), ["b"]);
        assert!(at(500, &["b"]).is_empty());
        assert!(at(501, &["a", "b"]).is_empty());
        assert_eq!(at(511, &["a", "b"]), ["a"]);
    }
}
