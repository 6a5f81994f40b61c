//! `entropool-agent`: serves a node's VMs as configured by its controller.
#![forbid(unsafe_code)]

use std::env;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use entropool_agent::{NodeArgs, probe, run_node};

/// With this word and a socket as its arguments, the program is a pod's liveness probe.
const PROBE: &str = "probe";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let result = match &arguments[..] {
        [word, socket] if word == PROBE => {
            probe(Path::new(socket)).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        _ => run_node(&NodeArgs::parse()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("entropool-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
