//! `entropool-controller`, the control plane's program.

use std::process::ExitCode;

use clap::Parser;
use uninstall::UninstallError;

/// The exit code when an uninstallation is refused, which a job does not repeat.
const IN_USE: u8 = 3;

fn main() -> ExitCode {
    match controller::run(controller::ControllerArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entropool-controller: {error:#}");
            let in_use = matches!(error.downcast_ref(), Some(UninstallError::InUse(_)));
            if in_use { ExitCode::from(IN_USE) } else { ExitCode::FAILURE }
        }
    }
}
