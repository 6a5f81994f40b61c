//! Findings as a person reads them.

use super::result::{CheckResult, Level};
use crate::render::Table;

/// One line a finding.
pub(super) fn text(findings: &[CheckResult]) -> String {
    let mut table = Table::new(&["", "CHECK", "WHAT"]);
    for finding in findings {
        table.row([mark(finding.verdict).to_owned(), finding.check.to_owned(), finding.message.clone()]);
    }
    table.or("There was nothing to look at.")
}

fn mark(verdict: Level) -> &'static str {
    match verdict {
        Level::Right => "ok",
        Level::Warning => "warning",
        Level::Wrong => "WRONG",
    }
}
