//! The log, on standard error.

use std::env;
use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use tracing_subscriber::EnvFilter;

/// What is logged: `warn`, `info`, `controller=debug,info`.
const FILTER: &str = "ENTROPOOL_LOG";
/// How: `text` or `json`.
const FORMAT: &str = "ENTROPOOL_LOG_FORMAT";

/// Begins to log as the environment says.
pub(crate) fn init() -> Result<()> {
    let filter = env::var(FILTER).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).with_context(|| format!("{FILTER}={filter} is no filter"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match env::var(FORMAT).as_deref() {
        Ok("json") => log.json().flatten_event(true).init(),
        Ok("text") | Err(_) => log.with_ansi(io::stderr().is_terminal()).init(),
        Ok(other) => bail!("{FORMAT}={other} is neither text nor json"),
    }
    Ok(())
}
