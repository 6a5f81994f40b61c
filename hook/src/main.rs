//! `entropool-hook`: connects a `KubeVirt` VM to its pool.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use hook::{SidecarArgs, run};

fn main() -> ExitCode {
    match run(&SidecarArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "sidecar failed");
            ExitCode::FAILURE
        }
    }
}
