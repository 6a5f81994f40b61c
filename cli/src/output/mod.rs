//! What is printed: text and JSON on standard output, and the tables and sentences of what a daemon answers.

mod amount;
mod classes;
mod explain;
mod layout;
mod natural;
mod pools;
#[cfg(test)]
pub(crate) mod samples;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod vms;
mod wrap;

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Format;

pub(crate) use amount::{configured_rate, duration, measured_rate, seconds};
pub(crate) use classes::{classes, depth};
pub(crate) use explain::explain;
pub(crate) use layout::{Layout, Severity};
pub(crate) use pools::{name, pools};
pub(crate) use sources::{NO_SOURCES, sources, sources_table, why_not_healthy};
pub(crate) use table::Table;
pub(crate) use vms::{NO_VMS, NO_VMS_WAIT, vms, vms_table, waiting, waiting_table};
pub(crate) use wrap::{width, wrapped};

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

/// Prints a document in a format: as JSON or YAML, or the text that `text` makes of it.
pub(crate) fn show(
    format: Format,
    document: &impl Serialize,
    text: impl FnOnce(Layout) -> String,
) -> Result<()> {
    match format {
        Format::Table => print(&text(Layout::here(false))),
        Format::Wide => print(&text(Layout::here(true))),
        Format::Json => print_json(document),
        Format::Yaml => print(&serde_yaml::to_string(document).context("cannot write YAML")?),
    }
}

/// Prints `document` as indented JSON.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string_pretty(document).context("cannot write JSON")?)
}

/// Prints `document` as JSON on one line of a stream.
pub(crate) fn print_json_line(document: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(document).context("cannot write JSON")?)
}
