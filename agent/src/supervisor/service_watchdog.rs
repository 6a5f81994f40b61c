//! systemd's watchdog: it ends a service whose first process no longer reports.

use std::env;
use std::process;
use std::time::Duration;

use crate::sd_notify::ServiceManager;

const INTERVAL: &str = "WATCHDOG_USEC";
const PROCESS: &str = "WATCHDOG_PID";

/// The service manager that expects reports.
#[derive(Debug)]
pub(super) struct ServiceWatchdog {
    manager: ServiceManager,
    interval: Duration,
    failed: bool,
}

impl ServiceWatchdog {
    /// `None` where nobody expects reports of this process.
    pub(super) fn here() -> Option<Self> {
        let variable = |name| env::var(name).unwrap_or_default();
        let interval = interval(&variable(INTERVAL), &variable(PROCESS), process::id())?;
        Some(Self { manager: ServiceManager::here()?, interval, failed: false })
    }

    /// Between two reports: half of what the service manager waits.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Reports that this process works.
    pub(super) fn report(&mut self) {
        let failed = self.manager.notify("WATCHDOG=1");
        if let Err(error) = &failed
            && !self.failed
        {
            tracing::warn!(%error, "failed to report to the service manager's watchdog");
        }
        self.failed = failed.is_err();
    }
}

fn interval(microseconds: &str, process: &str, own: u32) -> Option<Duration> {
    let microseconds: u64 = microseconds.parse().ok().filter(|microseconds| *microseconds > 0)?;
    let for_this_process = process.is_empty() || process.parse() == Ok(own);
    for_this_process.then(|| Duration::from_micros(microseconds / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_due_twice_in_each_interval_of_this_process() {
        assert_eq!(interval("30000000", "7", 7), Some(Duration::from_secs(15)));
        assert_eq!(interval("30000000", "", 7), Some(Duration::from_secs(15)));
        assert_eq!(interval("30000000", "8", 7), None, "another one's");
        for none in ["", "0", "x", "-1"] {
            assert_eq!(interval(none, "7", 7), None, "{none:?}");
        }
    }
}
