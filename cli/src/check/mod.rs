//! `check`: everything that can be wrong on a host, checked at once.

mod inputs;
mod result;
mod rules;
#[cfg(test)]
mod tests;

use anyhow::{Result, bail};
use serde_json::json;

use crate::args::{CheckArgs, Format, Global};
use crate::output;

pub(crate) use inputs::{DaemonState, daemon_state};
pub(crate) use result::{CheckLevel, CheckResult, results};
pub(crate) use rules::daemon as check_daemon;

pub(crate) async fn check(global: &Global, args: &CheckArgs) -> Result<()> {
    report(&rules::host(&inputs::gather(global, args).await), global.output)
}

/// Prints the results, and fails if one of them is an error.
pub(crate) fn report(results: &[CheckResult], format: Format) -> Result<()> {
    match format {
        Format::Table => output::print(&result::table(results))?,
        Format::Json => output::print_json(&json!({ "checks": results }))?,
    }
    match results.iter().filter(|result| result.level == CheckLevel::Error).count() {
        0 => Ok(()),
        1 => bail!("one check found an error"),
        several => bail!("the checks found {several} errors"),
    }
}
