//! What comes of looking at one thing.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CheckResult {
    /// The name of the check, as the manual has it.
    pub(crate) check: &'static str,
    pub(crate) verdict: Level,
    /// What is so; where it is not right, also what to do.
    pub(crate) message: String,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Level {
    Right,
    /// It serves now, and may not for ever.
    Warning,
    Wrong,
}

/// The findings of one check: `bad` ones with their verdict, or `right` if there are none.
pub(crate) fn all(check: &'static str, right: &str, verdict: Level, bad: Vec<String>) -> Vec<CheckResult> {
    if bad.is_empty() {
        return vec![CheckResult { check, verdict: Level::Right, message: right.to_owned() }];
    }
    bad.into_iter().map(|message| CheckResult { check, verdict, message }).collect()
}
