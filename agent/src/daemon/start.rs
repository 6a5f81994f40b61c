//! The start of a daemon: alone, or with what another process leaves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

use super::csi::CsiDriver;
use super::handover::{Started, take_over};
use super::options::{Prepared, StartOptions};
use super::run::Daemon;
use super::run_dir::{RunDirOptions, RunDirWatcher};
use crate::agent::Agent;
use crate::api::LocalApi;
use crate::config::ConfigSource;
use crate::directories::Directories;
use crate::event::DaemonEvents;
use crate::handover::HandoverSource;
use crate::metrics::{Endpoint, Metrics};
use crate::unix_socket::{ApiSocket, wait_for_exit};

/// How long a process that was killed may take to exit.
const EXIT: Duration = Duration::from_millis(300);

/// Prepares this process to serve.
pub(super) fn prepare_process() {
    // The states of generators are secrets, and not all of them are in memory that is excluded from core dumps.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "failed to disable core dumps: a core may contain secrets");
    }
    // Files and directories have the modes that are meant for them: QEMU must reach the sockets.
    umask(Mode::WGRP | Mode::WOTH);
    dataplane::make_room();
}

/// Waits for the exit of a process that serves these directories and was killed.
pub(super) fn wait_for_predecessor(directories: &Directories) {
    wait_for_exit(&directories.api_socket(), EXIT);
}

impl<S: ConfigSource> Daemon<S> {
    /// Starts with what `predecessor` leaves, or alone. The source is not connected yet.
    pub(super) fn start(
        options: StartOptions,
        prepared: Prepared,
        mut source: S,
        predecessor: Option<HandoverSource>,
        events: &DaemonEvents,
    ) -> Result<Self> {
        let started = match predecessor {
            None => start_alone(&options, prepared, &mut source, events)?,
            Some(predecessor) => take_over(&options, prepared, &mut source, predecessor, events)?,
        };
        let StartOptions { directories, api_mode, pod_generation, api_address, uses_systemd, .. } = options;
        let Started { agent, checkpointer, api_socket, metrics, csi, predecessor, locks } = started;
        locks.sign();
        let state_dir = directories.state.clone();
        let run_dir = RunDirOptions { directories, api_mode, api_address, pod_generation };
        let handover_listener = run_dir.listen_for_successors(events);
        let api = LocalApi::serve(api_socket, api_address, Arc::clone(&agent), Arc::new(events.clone()))?;
        Ok(Self {
            agent,
            source,
            state_dir,
            checkpointer: Some(checkpointer),
            api,
            metrics,
            csi,
            events: events.clone(),
            deferred: VecDeque::new(),
            predecessor,
            handover_listener,
            locks,
            run_dir_watcher: RunDirWatcher::start(&run_dir.directories.run, events),
            run_dir,
            uses_systemd,
        })
    }
}

/// Starts when no other process serves.
fn start_alone<S: ConfigSource>(
    options: &StartOptions,
    prepared: Prepared,
    source: &mut S,
    events: &DaemonEvents,
) -> Result<Started> {
    let api_socket = ApiSocket::bind(&options.directories.api_socket(), options.api_mode)?;
    let endpoint = match prepared.metrics {
        Some(endpoint) => Some(endpoint),
        None => options.metrics.map(Endpoint::bind).transpose()?,
    };
    let checkpoint = prepared.checkpoint.unwrap_or_else(|| options.load_checkpoint());
    let state_dir = Some(&*options.directories.state);
    let agent = Arc::new(Agent::start_with_store(options.data_plane(false), state_dir, prepared.store)?);
    let configured = source.restore(checkpoint.state(), &agent, false)?;
    options.vms.attach(&agent)?;
    checkpoint.attach_vms(&agent, S::RETRY);
    let mut csi = CsiDriver::open(options, &agent, configured, events)?;
    if let Some(csi) = &csi {
        csi.attach_missing();
    }
    if configured {
        // All VMs that the crash state can refer to are attached.
        agent.discard_unclaimed();
    }
    if let Some(csi) = &mut csi {
        csi.serve()?;
    }
    let metrics = endpoint.map(|endpoint| Metrics::serve(endpoint, Arc::clone(&agent))).transpose()?;
    let checkpointer = checkpoint.into_checkpointer(&agent)?;
    Ok(Started { agent, checkpointer, api_socket, metrics, csi, predecessor: None, locks: prepared.locks })
}
