//! The result of one check, and results as a table.

use serde::Serialize;

use crate::output::Table;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CheckResult {
    /// The name of the check, as in the manual.
    pub(crate) check: &'static str,
    pub(crate) level: CheckLevel,
    /// What was found and, unless it is ok, what to do.
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CheckLevel {
    Ok,
    /// VMs are served, but something may fail later.
    Warning,
    Error,
}

/// The results of one check: one per problem, or `ok` if there are none.
pub(crate) fn results(
    check: &'static str,
    ok: &str,
    level: CheckLevel,
    problems: Vec<String>,
) -> Vec<CheckResult> {
    if problems.is_empty() {
        return vec![CheckResult { check, level: CheckLevel::Ok, message: ok.to_owned() }];
    }
    problems.into_iter().map(|message| CheckResult { check, level, message }).collect()
}

/// One row per result.
pub(super) fn table(results: &[CheckResult]) -> String {
    let mut table = Table::new(&["", "CHECK", "WHAT"]);
    for result in results {
        let level = match result.level {
            CheckLevel::Ok => "ok",
            CheckLevel::Warning => "warning",
            CheckLevel::Error => "error",
        };
        table.row([level.to_owned(), result.check.to_owned(), result.message.clone()]);
    }
    table.or("Nothing was checked.")
}
