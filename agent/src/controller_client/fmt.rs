//! How things are spelled in the log.

use std::error::Error;

use delivery::{Version, WatchedKind};

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        // Some say their cause themselves.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = source.source();
    }
    text
}

/// As `pools 12, classes 15`.
pub(super) fn spelled(version: &Version) -> String {
    let kind = |(kind, newest): (WatchedKind, u64)| format!("{} {newest}", kind.as_str());
    version.seen().map(kind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_spelled_kind_by_kind() {
        let version: Version =
            [(WatchedKind::CLASSES, 9), (WatchedKind::POOLS, 7), (WatchedKind(77), 1)].into_iter().collect();
        assert_eq!(spelled(&version), "pools 7, classes 9, others 1");
    }
}
