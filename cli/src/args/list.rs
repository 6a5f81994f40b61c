//! Flags of the commands that list or watch.

use std::time::Duration;

use clap::{Args, Subcommand};

/// List the classes
#[derive(Args, Clone, Debug)]
pub(crate) struct ClassesArgs {
    /// Only the classes of this pool
    #[arg(long)]
    pub(crate) pool: Option<String>,
}

/// Which VMs to list.
#[derive(Args, Clone, Debug)]
pub(crate) struct VmsArgs {
    /// Only the VMs of this pool
    #[arg(long)]
    pub(crate) pool: Option<String>,
    /// Only the VMs of this class
    #[arg(long)]
    pub(crate) class: Option<String>,
}

/// List the sources of the pools and their states
///
/// A source is healthy, in its start-up test (starting, or suspect after an alarm), unavailable and retried, or failed:
/// off until it is retested, or until the daemon may open it.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourcesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SourcesCommand>,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum SourcesCommand {
    /// Restart the start-up test of a source, even if it failed
    ///
    /// A source that failed is used again only when it passes. Until then it counts as failed, also after a restart.
    Retest {
        /// The source: in every pool that has one of this name, or in one pool
        #[arg(value_name = "NAME|POOL/NAME")]
        name: String,
        /// Wait for the verdict and print it; the exit code is 1 if a source failed
        #[arg(long)]
        wait: bool,
    },
}

/// Show the current rates of the tree
///
/// On a terminal this is a live screen (q quits), else one table after the other.
#[derive(Args, Clone, Debug)]
pub(crate) struct TopArgs {
    /// The interval of a table: 500ms, 2s, 1min
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Print one table and exit
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// Print N tables and exit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Show each VM below its class
    #[arg(long)]
    pub(crate) vms: bool,
}

impl TopArgs {
    /// The number of tables to print; `None` is no limit.
    pub(crate) fn tables(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.count }
    }
}

/// `500ms`, `2s` or `1min`; from 50 ms to an hour.
fn interval(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return Err("an interval is a whole number and a unit; write 500ms, 2s or 1min".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "an interval is a whole number and a unit; write 500ms, 2s or 1min")?;
    let duration = Duration::from_millis(number.saturating_mul(millis));
    let allowed = Duration::from_millis(50)..=Duration::from_hours(1);
    if allowed.contains(&duration) {
        Ok(duration)
    } else {
        Err("an interval is from 50ms to 60min".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn interval_has_a_unit_and_bounds() {
        assert_eq!(interval("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(interval("2min").unwrap(), Duration::from_mins(2));
        for wrong in ["2", "s", "0s", "49ms", "61min", "99999999999999999999s", "1.5s"] {
            interval(wrong).unwrap_err();
        }
    }
}
