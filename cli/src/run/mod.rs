//! `run`: manifests on disk, served on this host.

mod changes;
mod events;
mod files;
mod live;
mod looking;
mod memory;
mod planned;
mod start;
mod watch;

use anyhow::{Context, Result};

use crate::args::RunArgs;

pub(crate) use changes::{Change, What, changes};
pub(crate) use planned::{looked_at, plan};

/// Serves until a signal says otherwise.
pub(crate) fn run(args: &RunArgs) -> Result<()> {
    agent::log_to_stderr()?;
    agent::leave_no_core();
    let args = args.absolute().context("cannot tell the working directory")?;
    let (events, heard) = events::channel();
    let mut daemon = start::start(&args, events)?;
    let signal = live::follow(&mut daemon, &heard);
    tracing::info!(signal, "draining");
    daemon.stop();
    tracing::info!("stopped");
    Ok(())
}
