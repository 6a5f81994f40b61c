//! Flags of the verbs that list or watch.

use std::time::Duration;

use clap::Args;

/// List the classes
#[derive(Args, Clone, Debug)]
pub(crate) struct ClassesArgs {
    /// Only the classes of this pool
    #[arg(long)]
    pub(crate) pool: Option<String>,
}

/// List the VMs
#[derive(Args, Clone, Debug)]
pub(crate) struct VmsArgs {
    /// Only the VMs of this pool
    #[arg(long)]
    pub(crate) pool: Option<String>,
    /// Only the VMs of this class
    #[arg(long)]
    pub(crate) class: Option<String>,
}

/// List the VMs that wait for bytes, and what for
#[derive(Args, Clone, Debug)]
pub(crate) struct WaitingArgs {
    /// Only the VMs of this pool
    #[arg(long)]
    pub(crate) pool: Option<String>,
    /// Only the VMs of this class
    #[arg(long)]
    pub(crate) class: Option<String>,
}

/// Watch the tree at work
///
/// A live screen on a terminal (q quits), else one table after the other.
#[derive(Args, Clone, Debug)]
pub(crate) struct TopArgs {
    /// Time between two looks: 500ms, 2s, 1min
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Print one table after one interval, and end
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// Print N tables, and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Show each VM below its class
    #[arg(long)]
    pub(crate) vms: bool,
}

impl TopArgs {
    /// How many tables to print; `None` is until somebody stops it.
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
        _ => return Err("a time has a unit: 500ms, 2s, 1min".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a time is a whole number and a unit: 500ms, 2s, 1min")?;
    let duration = Duration::from_millis(number.saturating_mul(millis));
    let allowed = Duration::from_millis(50)..=Duration::from_hours(1);
    if allowed.contains(&duration) { Ok(duration) } else { Err("from 50ms to 60min".to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_interval_has_a_unit_and_bounds() {
        assert_eq!(interval("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(interval("2min").unwrap(), Duration::from_mins(2));
        for wrong in ["2", "s", "0s", "49ms", "61min", "99999999999999999999s", "1.5s"] {
            interval(wrong).unwrap_err();
        }
    }
}
