//! The start of a daemon: alone, or with what another process leaves.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dataplane::{AttachRequest, DataPlaneOptions, SocketOwner};
use source::Permissions;

use super::Daemon;
use super::checkpointer::Checkpointer;
use super::csi::CsiDriver;
use super::restore::LoadedCheckpoint;
use crate::agent::Agent;
use crate::api::LocalApi;
use crate::attachments::csi::CsiOptions;
use crate::attachments::{Attachment, Origin};
use crate::config::ConfigSource;
use crate::directories::Directories;
use crate::event::Events;
use crate::handover::{HandoverListener, HandoverSource, PodGeneration, PredecessorGuard};
use crate::metrics::{Endpoint, Metrics};
use crate::unix_socket::{ApiSocket, wait_for_exit};

/// How long a process that was killed may take to exit.
const EXIT: Duration = Duration::from_millis(300);

/// How to start, whatever program the arguments are of.
pub(super) struct StartOptions {
    pub(super) directories: Directories,
    pub(super) socket_owner: SocketOwner,
    pub(super) permissions: Permissions,
    pub(super) api_mode: u32,
    /// Where to serve the API over TCP as well.
    pub(super) api_address: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) pod_generation: Option<PodGeneration>,
    pub(super) csi: Option<CsiOptions>,
    pub(super) vms: CommandLineVms,
    pub(super) uses_systemd: bool,
}

/// The VMs of the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandLineVms {
    pub(super) vms: Vec<AttachRequest>,
    pub(super) ports: Vec<(SocketAddr, AttachRequest)>,
    /// A process with the same arguments has served before: a VM that cannot be attached is no reason not to serve the
    /// others.
    pub(super) served_before: bool,
}

/// What a program has opened already to check its arguments.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) checkpoint: Option<LoadedCheckpoint>,
    pub(super) metrics: Option<Endpoint>,
}

/// What a daemon is made of once its VMs are attached.
pub(super) struct Started {
    pub(super) agent: Arc<Agent>,
    pub(super) checkpointer: Checkpointer,
    pub(super) api_socket: ApiSocket,
    pub(super) metrics: Option<Metrics>,
    pub(super) csi: Option<CsiDriver>,
    pub(super) predecessor: Option<PredecessorGuard>,
}

/// Everything that is wrong, a line each.
#[derive(Debug)]
pub(super) struct StartRefused(Vec<String>);

impl std::error::Error for StartRefused {}

impl Display for StartRefused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is served")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Fails if there are any problems.
pub(super) fn refuse(problems: Vec<String>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(StartRefused(problems).into()) }
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
        events: &Events,
    ) -> Result<Self> {
        let started = match predecessor {
            None => start_alone(&options, prepared, &mut source, events)?,
            Some(predecessor) => {
                super::handover::take_over(&options, prepared, &mut source, predecessor, events)?
            }
        };
        let StartOptions { directories, pod_generation, api_address, uses_systemd, .. } = options;
        let Started { agent, checkpointer, api_socket, metrics, csi, predecessor } = started;
        let successors = events.clone();
        let handover_listener =
            HandoverListener::in_run_dir(&directories.run, pod_generation, move |successor| {
                successors.hand_over(successor);
            });
        let api = LocalApi::serve(api_socket, api_address, Arc::clone(&agent), Arc::new(events.clone()))?;
        Ok(Self {
            agent,
            source,
            state_dir: directories.state,
            checkpointer: Some(checkpointer),
            api,
            metrics,
            csi,
            events: events.clone(),
            deferred: VecDeque::new(),
            predecessor,
            handover_listener,
            uses_systemd,
        })
    }
}

impl StartOptions {
    /// The data plane's part of the options; it is `paused` until another process has stopped serving.
    pub(super) fn data_plane(&self, paused: bool) -> DataPlaneOptions {
        DataPlaneOptions {
            socket_dir: self.directories.socket.clone(),
            owner: self.socket_owner,
            permissions: self.permissions.clone(),
            state_file: Some(self.directories.run.join("state")),
            paused,
        }
    }
}

/// Starts where no other process serves.
fn start_alone<S: ConfigSource>(
    options: &StartOptions,
    prepared: Prepared,
    source: &mut S,
    events: &Events,
) -> Result<Started> {
    let api_socket = ApiSocket::bind(&options.directories.api_socket(), options.api_mode)?;
    let endpoint = match prepared.metrics {
        Some(endpoint) => Some(endpoint),
        None => options.metrics.map(Endpoint::bind).transpose()?,
    };
    let checkpoint = prepared.checkpoint.unwrap_or_else(|| options.load_checkpoint());
    let agent = Arc::new(Agent::start(options.data_plane(false))?);
    let configured = source.restore(checkpoint.state(), &agent, false)?;
    options.vms.attach(&agent)?;
    checkpoint.attach_vms(&agent, S::RETRY);
    let mut csi = CsiDriver::open(options, &agent, configured, events)?;
    if let Some(csi) = &csi {
        csi.attach_missing();
    }
    if configured {
        // All VMs that the crash state can be of are attached.
        agent.discard_unclaimed();
    }
    if let Some(csi) = &mut csi {
        csi.serve()?;
    }
    let metrics = endpoint.map(|endpoint| Metrics::serve(endpoint, Arc::clone(&agent))).transpose()?;
    let checkpointer = checkpoint.into_checkpointer(&agent)?;
    Ok(Started { agent, checkpointer, api_socket, metrics, csi, predecessor: None })
}

impl StartOptions {
    pub(super) fn load_checkpoint(&self) -> LoadedCheckpoint {
        LoadedCheckpoint::load(&self.directories.state, true)
    }
}

impl CommandLineVms {
    pub(super) fn attachments(&self) -> impl Iterator<Item = Attachment> {
        let vms = self.vms.iter().map(|vm| (None, vm));
        let ports = self.ports.iter().map(|(port, vm)| (Some(*port), vm));
        vms.chain(ports).map(|(port, vm)| Attachment::new(vm.clone(), Origin::Flag { port }))
    }

    fn attach(&self, agent: &Agent) -> Result<()> {
        let errors = self.attachments().filter_map(|vm| agent.attachments().attach(vm).err());
        let problems: Vec<_> = errors.map(|error| error.to_string()).collect();
        if self.served_before {
            for error in &problems {
                tracing::warn!(error, "not attached again");
            }
        } else if !problems.is_empty() {
            agent.drain(Duration::ZERO);
            refuse(problems)?;
        }
        Ok(())
    }
}
