//! `top`: the tree with current rates, as a live screen or as one table after the other.

mod rows;
mod screen;

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use proto::local::Tree;
use serde_json::json;
use tonic::Streaming;

use crate::args::{Format, Global, TopArgs};
use crate::client::{ClientError, DaemonClient};
use crate::output;

use rows::{rows, table};

/// Two trees, one interval apart.
struct Interval {
    earlier: Tree,
    later: Tree,
}

impl Interval {
    fn nanoseconds(&self) -> u64 {
        self.later.now.saturating_sub(self.earlier.now)
    }
}

pub(crate) async fn top(global: &Global, args: &TopArgs) -> Result<()> {
    watch(DaemonClient::connect(&global.api).await?, global.output, args).await
}

/// Shows the tree of a daemon: on a terminal as a live screen.
pub(crate) async fn watch(mut daemon: DaemonClient, format: Format, args: &TopArgs) -> Result<()> {
    let mut intervals = Intervals { trees: daemon.watch(args.interval).await?, last: None };
    let live = format == Format::Table && args.tables().is_none() && io::stdout().is_terminal();
    if live { screen::show(&mut intervals, args).await } else { print(&mut intervals, format, args).await }
}

/// Prints one table, or one line of JSON, per interval.
async fn print(intervals: &mut Intervals, format: Format, args: &TopArgs) -> Result<()> {
    let mut printed = 0;
    while args.tables().is_none_or(|count| printed < count) {
        let interval = intervals.next().await?;
        let rows = rows(&interval, args.vms);
        match format {
            Format::Json => {
                let seconds = output::seconds(interval.nanoseconds() / 1_000 * 1_000);
                output::print_json_line(&json!({ "seconds": seconds, "rows": rows }))?;
            }
            Format::Table if printed == 0 => output::print(&table(&rows).or(rows::NO_POOLS))?,
            Format::Table => output::print(&format!("\n{}", table(&rows).or(rows::NO_POOLS)))?,
        }
        printed += 1;
    }
    Ok(())
}

/// One interval after the other.
struct Intervals {
    trees: Streaming<Tree>,
    last: Option<Tree>,
}

impl Intervals {
    /// The first one takes two trees.
    async fn next(&mut self) -> Result<Interval> {
        let earlier = match self.last.take() {
            Some(tree) => tree,
            None => self.tree().await?,
        };
        let later = self.tree().await?;
        self.last = Some(later.clone());
        Ok(Interval { earlier, later })
    }

    async fn tree(&mut self) -> Result<Tree> {
        let tree = self.trees.message().await.map_err(ClientError::from)?;
        tree.context("the daemon stopped")
    }
}
