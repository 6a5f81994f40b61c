//! Findings as a person reads them.

use super::finding::{Finding, Verdict};
use crate::render::Table;

/// One line a finding.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut table = Table::new(&["", "CHECK", "WHAT"]);
    for finding in findings {
        table.row([mark(finding.verdict).to_owned(), finding.check.to_owned(), finding.sentence.clone()]);
    }
    table.or("There was nothing to look at.")
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Right => "ok",
        Verdict::Warning => "warning",
        Verdict::Wrong => "WRONG",
    }
}
