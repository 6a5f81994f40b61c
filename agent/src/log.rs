//! A daemon's log, on standard error.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged: `warn`, `info`, `server=debug,info`.
const FILTER: &str = "ENTROPOOL_LOG";
/// How: `text` or `json`.
const FORMAT: &str = "ENTROPOOL_LOG_FORMAT";

/// Why nothing is logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The filter is none.
    #[error("{FILTER}={filter} is no filter: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// Why.
        source: ParseError,
    },
    /// The format is none.
    #[error("{FORMAT}={format} is neither text nor json")]
    Format {
        /// What was given.
        format: String,
    },
}

/// Begins to log as the environment says. Once in a process.
pub(crate) fn log_to_stderr() -> Result<(), LogError> {
    let filter = env::var(FILTER).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|source| LogError::Filter { filter, source })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match env::var(FORMAT).as_deref() {
        Ok("json") => log.json().flatten_event(true).init(),
        Ok("text") | Err(_) => log.with_ansi(io::stderr().is_terminal()).init(),
        Ok(other) => return Err(LogError::Format { format: other.to_owned() }),
    }
    Ok(())
}
