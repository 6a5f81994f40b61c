//! `entropool-agent`: the node agent as a program.

mod args;
mod events;
mod inherit;
mod live;
mod memory;
mod pods;
mod start;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use self::live::End;
use crate::handover::{ReceiveError, SuccessorWait};
use crate::process_hardening::disable_core_dumps;
use crate::supervisor::{TRY_AGAIN, Worker, supervise};

pub use args::Args;

/// Serves until a signal says otherwise. The process that a person or a kubelet starts only sees to it that another one
/// does.
pub fn run(args: &Args) -> Result<ExitCode> {
    telemetry::init_logging()?;
    let Some(worker) = Worker::here().context("the supervisor cannot be followed")? else {
        return Ok(ExitCode::from(supervise(args.afterwards()).context("no worker can be started")?));
    };
    match serve(args, &worker) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => judge(error),
    }
}

/// Who cannot take over from a living process may be able to the next time; who is older must not.
fn judge(error: anyhow::Error) -> Result<ExitCode> {
    match error.downcast_ref() {
        Some(ReceiveError::Newer) => {
            tracing::info!("the agent of a newer pod serves");
            Ok(ExitCode::SUCCESS)
        }
        Some(failed) => {
            let (reason, error) = (failed.reason(), format!("{error:#}"));
            tracing::error!(reason, error, "not taken over");
            Ok(ExitCode::from(TRY_AGAIN))
        }
        None => Err(error),
    }
}

fn serve(args: &Args, worker: &Worker) -> Result<()> {
    disable_core_dumps();
    dataplane::make_room();
    let (events, heard) = events::channel();
    let mut node = start::start(args, worker.is_successor(), &events)?;
    worker.serves(&node.agent);
    node.relieve();
    match node.follow(&heard) {
        End::Signal(signal) => {
            tracing::info!(signal, "draining");
            node.stop();
            tracing::info!("stopped");
        }
        End::HandedOver(heir) => {
            let vigil = SuccessorWait::begin().context("nobody can see to the successor")?;
            node.leave();
            ensure!(vigil.keep(heir), "the process that took over died before it served");
            tracing::info!("handed over");
        }
    }
    Ok(())
}
