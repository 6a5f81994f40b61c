//! What holds for a while is told once. Time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

/// What is over sooner is nothing to tell: an agent that starts is not ready for a moment, and a class whose VMs leave
/// together with it has none left.
const LONG: Duration = Duration::from_secs(10);

/// Since when each thing has held, and whether it was told.
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
    told: bool,
}

impl<K: Ord + Clone> PersistenceFilter<K> {
    /// Of all that holds now, what is to be told; what holds no longer is forgotten.
    pub(super) fn due(&mut self, now: Duration, holds: impl Iterator<Item = K>) -> Vec<K> {
        let mut before = std::mem::take(&mut self.known);
        let mut told = Vec::new();
        for what in holds {
            let mut known = before.remove(&what).unwrap_or(KnownCondition { since: now, told: false });
            if !known.told && known.since + LONG <= now {
                known.told = true;
                told.push(what.clone());
            }
            self.known.insert(what, known);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_and_again_only_after_it_was_over() {
        let mut lasting = PersistenceFilter::default();
        let mut at =
            |second, holds: &[&'static str]| lasting.due(Duration::from_secs(second), holds.iter().copied());
        assert!(at(100, &["a"]).is_empty());
        assert!(at(109, &["a", "b"]).is_empty());
        assert_eq!(at(110, &["a", "b"]), ["a"]);
        assert_eq!(at(119, &["a", "b"]), ["b"]);
        assert!(at(500, &["b"]).is_empty());
        assert!(at(501, &["a", "b"]).is_empty());
        assert_eq!(at(511, &["a", "b"]), ["a"]);
    }
}
