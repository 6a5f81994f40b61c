//! The commands that need no daemon.

use std::fs;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Cli, CompletionArgs, CrdsArgs};
use crate::output;

/// Prints the custom resource definitions, or writes each into a file.
pub(crate) fn crds(args: &CrdsArgs) -> Result<()> {
    let files = api::crd_files();
    let Some(dir) = &args.dir else {
        return output::print(&files.into_iter().map(|(_, text)| text).collect::<String>());
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot create the directory {}", dir.display()))?;
    for (name, text) in &files {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

pub(crate) fn completion(args: &CompletionArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "entropool", &mut script);
    output::print(&String::from_utf8(script).context("the completion script is not UTF-8")?)
}
