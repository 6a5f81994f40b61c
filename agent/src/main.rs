//! `entropool-agent`: serves a node's VMs as configured by its controller.
#![forbid(unsafe_code)]

use std::env;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use entropool_agent::{NodeArgs, connect, probe, run_node};

/// With this word and a socket as its arguments, the program is a pod's liveness probe.
const PROBE: &str = "probe";
/// With this word and a socket, the program connects its standard input and output to that socket.
const CONNECT: &str = "connect";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let result = match &arguments[..] {
        [word, socket] if word == PROBE => {
            probe(Path::new(socket)).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        [word, socket] if word == CONNECT => {
            connect(Path::new(socket)).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        _ => run_node(&NodeArgs::parse()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            telemetry::print_error("entropool-agent", &format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
