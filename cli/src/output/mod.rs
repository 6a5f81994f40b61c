//! What is printed: text and JSON on standard output, and the tables and sentences of what a daemon answers.

mod amount;
mod classes;
mod explain;
mod pools;
#[cfg(test)]
pub(crate) mod samples;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod vms;

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

pub(crate) use amount::{configured_rate, duration, measured_rate, seconds};
pub(crate) use classes::{classes, depth};
pub(crate) use explain::explain;
pub(crate) use pools::{name, pools};
pub(crate) use sources::{NO_SOURCES, sources, sources_table, why_not_healthy};
pub(crate) use table::Table;
pub(crate) use vms::{NO_VMS, NO_VMS_WAIT, vms, vms_table, waiting, waiting_table};

/// Prints `text` as it is. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_line(line: &str) -> Result<()> {
    print(&format!("{line}\n"))
}

/// Prints `document` as indented JSON.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string_pretty(document).context("cannot write JSON")?)
}

/// Prints `document` as JSON on one line of a stream.
pub(crate) fn print_json_line(document: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(document).context("cannot write JSON")?)
}
