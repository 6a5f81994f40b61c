//! Lines for systemd's journal: each begins with its priority (sd-daemon(3)), and the journal adds the time.

use std::env;
use std::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `LOG_ERR`.
pub(super) const ERROR: u8 = 3;
/// The device and inode of the journal's socket, if standard output or error is one.
const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether standard error is the journal, and not a file or a terminal that it was redirected to.
pub(super) fn is_standard_error() -> bool {
    let Ok(stream) = env::var(VARIABLE) else { return false };
    fstat(io::stderr().as_fd()).is_ok_and(|found| format!("{}:{}", found.st_dev, found.st_ino) == stream)
}

/// `text` with a priority before each of its lines.
pub(super) fn prefixed(priority: u8, text: &str) -> String {
    text.lines().map(|line| format!("<{priority}>{line}\n")).collect()
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The usual format without time and level.
pub(super) struct JournalFormat(Format<Full, ()>);

impl Default for JournalFormat {
    fn default() -> Self {
        Self(Format::default().with_target(false).with_level(false).with_ansi(false).without_time())
    }
}

impl<S, N> FormatEvent<S, N> for JournalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        writer.write_str(&prefixed(priority(*event.metadata().level()), &text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_priority() {
        assert_eq!(prefixed(ERROR, "nothing is served\n  no pool"), "<3>nothing is served\n<3>  no pool\n");
        assert_eq!([Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(priority), [3, 4, 6, 7]);
    }
}
