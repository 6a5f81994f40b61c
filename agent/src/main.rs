//! `entropool-agent`: serves a node's VMs as configured by its controller.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use entropool_agent::{NodeArgs, run_node};

fn main() -> ExitCode {
    match run_node(&NodeArgs::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("entropool-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
