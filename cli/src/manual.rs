//! The manual pages, made from the command line and the schema.

use std::fs;

use anyhow::{Context, Result};
use clap::{Arg, Command};

use crate::args::{self, ManArgs};
use crate::reference;

/// Writes one file per command, and entropool.yaml(5).
pub(crate) fn write(args: &ManArgs) -> Result<()> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot create the directory {}", dir.display()))?;
    let mut command = without_environment(args::command());
    command.build();
    pages(&command, dir).with_context(|| format!("cannot write to {}", dir.display()))
}

fn pages(command: &Command, dir: &std::path::Path) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, dir)?;
    }
    if command.get_name() == "entropool" {
        fs::write(dir.join(reference::MANUAL), reference::manual_page())?;
    }
    clap_mangen::Man::new(command.clone()).manual("entropool").generate_to(dir).map(drop)
}

/// A page does not depend on the environment in which it is made.
fn without_environment(command: Command) -> Command {
    command
        .disable_help_subcommand(true)
        .mut_args(|arg: Arg| arg.hide_env_values(true))
        .mut_subcommands(without_environment)
}
