//! Prints the figures of a tree: `structure [--json] [DIR]`, without DIR of the one in which it is called.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use structure::Figures;

const USAGE: &str = "usage: structure [--json] [DIR]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("structure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let (mut json, mut root) = (false, None);
    for argument in env::args_os().skip(1) {
        match argument.to_str() {
            Some("--json") => json = true,
            Some(flag) if flag.starts_with('-') => anyhow::bail!("unknown flag {flag}; {USAGE}"),
            _ if root.is_some() => anyhow::bail!("more than one directory; {USAGE}"),
            _ => root = Some(PathBuf::from(argument)),
        }
    }
    let figures = Figures::measure(&root.unwrap_or_else(|| PathBuf::from(".")))?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &figures.to_json())?;
        writeln!(out)?;
    } else {
        write!(out, "{figures}")?;
    }
    Ok(())
}
