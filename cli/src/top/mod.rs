//! `top`: the tree with current rates, as a live screen or as one table after the other.

mod intervals;
mod rows;
mod screen;

use std::io::{self, IsTerminal};

use anyhow::Result;
use serde_json::json;

use crate::args::{Format, Global, TopArgs};
use crate::client::DaemonClient;
use crate::output;

use intervals::Intervals;
use rows::{NO_POOLS, rows, table};

pub(crate) async fn top(global: &Global, args: &TopArgs) -> Result<()> {
    watch(DaemonClient::connect(&global.api).await?, global.output, args).await
}

/// Shows the tree of a daemon: on a terminal as a live screen.
pub(crate) async fn watch(mut daemon: DaemonClient, format: Format, args: &TopArgs) -> Result<()> {
    let mut intervals = Intervals::new(daemon.watch(args.interval).await?);
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
            Format::Table if printed == 0 => output::print(&table(&rows).or(NO_POOLS))?,
            Format::Table => output::print(&format!("\n{}", table(&rows).or(NO_POOLS)))?,
        }
        printed += 1;
    }
    Ok(())
}
