//! What the listing commands print: a table, a document or names, once or whenever it changes.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::args::{ClusterFormat, ClusterGlobal};
use crate::output::{self, Layout};

/// How often it is looked for changes.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Listing {
    /// The table, and what is said below it.
    pub(super) text: String,
    pub(super) document: Value,
    /// As `kubectl -o name` has them: `entropypool.entropool.io/default`.
    pub(super) names: Vec<String>,
    /// Nodes that did not answer, and why.
    pub(super) errors: Vec<String>,
}

/// Prints what `list` lists; with `--watch`, also what changes afterwards, without an end.
pub(super) async fn run(global: &ClusterGlobal, list: impl AsyncFn(Layout) -> Result<Listing>) -> Result<()> {
    let layout = Layout::here(global.output == ClusterFormat::Wide);
    let first = list(layout).await?;
    output::print(&text(&first, global.output)?)?;
    if !global.watch {
        return fail(&first.errors);
    }
    let mut before = text(&first, global.output)?;
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let now = text(&list(layout).await?, global.output)?;
        output::print(&changed(&before, &now, global.output))?;
        before = now;
    }
}

fn text(listing: &Listing, format: ClusterFormat) -> Result<String> {
    Ok(match format {
        ClusterFormat::Table | ClusterFormat::Wide => listing.text.clone(),
        ClusterFormat::Json => {
            serde_json::to_string_pretty(&listing.document).context("cannot write JSON")? + "\n"
        }
        ClusterFormat::Yaml => serde_yaml::to_string(&listing.document).context("cannot write YAML")?,
        ClusterFormat::Name => listing.names.iter().map(|name| format!("{name}\n")).collect(),
    })
}

/// The rows that were not there before; of documents the whole, if it differs.
fn changed(before: &str, now: &str, format: ClusterFormat) -> String {
    match format {
        _ if before == now => String::new(),
        ClusterFormat::Json => now.to_owned(),
        ClusterFormat::Yaml => format!("---\n{now}"),
        ClusterFormat::Table | ClusterFormat::Wide | ClusterFormat::Name => {
            let old: BTreeSet<Vec<&str>> = before.lines().map(cells).collect();
            now.lines().filter(|row| !old.contains(&cells(row))).map(|row| format!("{row}\n")).collect()
        }
    }
}

/// A row without its padding, which depends on the other rows.
fn cells(row: &str) -> Vec<&str> {
    row.split_whitespace().collect()
}

/// Fails if a node did not answer, after what the others answered was printed.
pub(super) fn fail(errors: &[String]) -> Result<()> {
    if errors.is_empty() { Ok(()) } else { bail!("{}", errors.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_changed_are_printed_again() {
        let before = "NAME   VMS\na      1\nb      2\n";
        let now = "NAME     VMS\na          1\nb         20\nlonger     3\n";
        assert_eq!(changed(before, now, ClusterFormat::Table), "b         20\nlonger     3\n");
        assert_eq!(changed(before, before, ClusterFormat::Table), "");
        assert_eq!(changed("a: 1\n", "a: 2\n", ClusterFormat::Yaml), "---\na: 2\n");
    }
}
