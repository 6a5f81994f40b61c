//! What comes of looking at one thing.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The name of the check, as the manual has it.
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    /// What is so; where it is not right, also what to do.
    pub(crate) sentence: String,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Right,
    /// It serves now, and may not for ever.
    Warning,
    Wrong,
}

/// The findings of one check: `bad` ones with their verdict, or `right` if there are none.
pub(crate) fn all(check: &'static str, right: &str, verdict: Verdict, bad: Vec<String>) -> Vec<Finding> {
    if bad.is_empty() {
        return vec![Finding { check, verdict: Verdict::Right, sentence: right.to_owned() }];
    }
    bad.into_iter().map(|sentence| Finding { check, verdict, sentence }).collect()
}
