//! `entropool-agent`: serves a node's VMs as its controller says.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use entropool_agent::node::{Args, run};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("entropool-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
