//! `run`: manifests on disk, served on this host.

mod config_diff;
mod dry_run;
mod events;
mod files;
mod inherit;
mod live;
mod memory;
mod readonly_checkpoint;
mod start;
mod watch;

use std::process::ExitCode;

use agent::{OnSuccess, SuccessorWait, Worker};
use anyhow::{Context, Result, ensure};

use crate::args::RunArgs;
use live::End;

pub(crate) use config_diff::{ChangedPart, ConfigChange, changes};
pub(crate) use dry_run::{looked_at, plan};
pub(crate) use files::read as read_manifests;

/// Serves until a signal says otherwise. The process that a person or a service manager starts only sees to it that
/// another one does.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    telemetry::init_logging()?;
    if let Some(worker) = Worker::here().context("the supervisor cannot be followed")? {
        return serve(args, worker).map(|()| ExitCode::SUCCESS);
    }
    let code = agent::supervise(OnSuccess::End).context("no worker can be started")?;
    Ok(ExitCode::from(code))
}

fn serve(args: &RunArgs, mut worker: Worker) -> Result<()> {
    agent::disable_core_dumps();
    dataplane::make_room();
    let args = args.absolute().context("cannot tell the working directory")?;
    let (events, heard) = events::channel();
    let mut daemon = start::start(&args, &mut worker, events)?;
    worker.serves(&daemon.agent);
    daemon.relieve();
    agent::notify_ready();
    match live::follow(&mut daemon, &heard) {
        End::Signal(signal) if daemon.store() => {
            daemon.rest();
            tracing::info!(signal, "stopped; the service manager keeps the sockets");
        }
        End::Signal(signal) => {
            tracing::info!(signal, "draining");
            daemon.stop();
            tracing::info!("stopped");
        }
        End::HandedOver(heir) => {
            let vigil = SuccessorWait::begin().context("nobody can see to the successor")?;
            daemon.leave();
            ensure!(vigil.keep(heir), "the process that took over died before it served");
            tracing::info!("handed over");
        }
    }
    Ok(())
}
