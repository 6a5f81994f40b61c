//! The log of a long-running program, on standard error.

mod filter;
mod journal;

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal};

pub use filter::InvalidFilter;
use journal::{JournalFormat, prefixed};

/// What is logged: `warn`, `info`, `dataplane=debug,info`.
const FILTER: &str = "ENTROPOOL_LOG";
/// How: `text` or `json`.
const FORMAT: &str = "ENTROPOOL_LOG_FORMAT";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{FILTER}={filter}: {problem}")]
    Filter { filter: String, problem: InvalidFilter },
    #[error("{FORMAT}={format} is not a log format; write text or json")]
    Format { format: String },
}

/// Logs as the environment says, from now on. To be called once in a process.
///
/// If standard error is the journal, a text has no time of its own, and its level is the priority of the entry.
pub fn init_logging() -> Result<(), LogError> {
    let text = env::var(FILTER).unwrap_or_else(|_| "info".to_owned());
    let filter = filter::parse(&text).map_err(|problem| LogError::Filter { filter: text, problem })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match env::var(FORMAT).as_deref() {
        Ok("json") => log.json().flatten_event(true).init(),
        Ok("text") | Err(_) if journal::is_standard_error() => {
            log.with_ansi(false).event_format(JournalFormat::default()).init();
        }
        Ok("text") | Err(_) => log.with_ansi(io::stderr().is_terminal()).init(),
        Ok(other) => return Err(LogError::Format { format: other.to_owned() }),
    }
    Ok(())
}

/// Writes why `program` ends to standard error, which may be the journal.
pub fn print_error(program: &str, error: &dyn Display) {
    let text = format!("{program}: {error}");
    if journal::is_standard_error() {
        eprint!("{}", prefixed(journal::ERROR, &text));
    } else {
        eprintln!("{text}");
    }
}
