//! What of the manifests is not in effect, and since when.
#![allow(
    clippy::disallowed_methods,
    reason = "the one file of this crate that reads the wall clock, for people"
)]

use std::time::{SystemTime, UNIX_EPOCH};

/// What was refused when the manifests were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedManifests {
    /// When these problems were first found.
    pub(crate) at: SystemTime,
    /// A sentence for each.
    pub(crate) problems: Vec<String>,
}

impl RefusedManifests {
    /// What is refused now, after `before`. Files that are read again with the same problems were refused when they were
    /// read first.
    pub(crate) fn now(before: Option<Self>, problems: Vec<String>) -> Option<Self> {
        Self::next(before, problems, SystemTime::now())
    }

    fn next(before: Option<Self>, problems: Vec<String>, now: SystemTime) -> Option<Self> {
        let same = before.filter(|before| before.problems == problems);
        let found = || (!problems.is_empty()).then_some(Self { at: now, problems });
        same.or_else(found)
    }

    /// Since 1970, in seconds.
    pub(crate) fn timestamp(&self) -> u64 {
        self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_same_problems_were_refused_when_they_were_found_first() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let problems = |text: &str| vec![text.to_owned()];
        let first = RefusedManifests::next(None, problems("a"), at(1));
        let again = RefusedManifests::next(first.clone(), problems("a"), at(2));
        assert_eq!(
            (first.as_ref(), again.as_ref().map(RefusedManifests::timestamp)),
            (again.as_ref(), Some(1))
        );
        let other = RefusedManifests::next(again, problems("b"), at(3));
        assert_eq!(other.as_ref().map(RefusedManifests::timestamp), Some(3));
        assert_eq!(RefusedManifests::next(other, Vec::new(), at(4)), None);
    }
}
