//! Standard output, for everything that is text.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// Prints `text` as it is. A reader that has gone (`| head`) is no failure.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints `line` and ends it.
pub(crate) fn line(line: &str) -> Result<()> {
    text(&format!("{line}\n"))
}

/// Prints `document` as JSON for people to read.
pub(crate) fn json(document: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(document).context("cannot write JSON")?)
}

/// Prints `document` as JSON on one line, one of many.
pub(crate) fn json_line(document: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string(document).context("cannot write JSON")?)
}
