//! The log of a long-running program, on standard error.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged: `warn`, `info`, `dataplane=debug,info`.
const FILTER: &str = "ENTROPOOL_LOG";
/// How: `text` or `json`.
const FORMAT: &str = "ENTROPOOL_LOG_FORMAT";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{FILTER}={filter} is not a filter: {source}; write for instance warn or info,dataplane=debug")]
    Filter { filter: String, source: ParseError },
    #[error("{FORMAT}={format} is not a log format; write text or json")]
    Format { format: String },
}

/// Logs as the environment says, from now on. To be called once in a process.
pub fn init_logging() -> Result<(), LogError> {
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
