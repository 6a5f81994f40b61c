//! The daemon of a node: configured by a controller, with a CSI driver for the node's pods.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::args::NodeArgs;
use super::options::{CommandLineVms, Prepared, StartOptions, StartRefused, refuse};
use super::run::Daemon;
use super::start::{prepare_process, wait_for_predecessor};
use super::store::open_store;
use crate::attachments::csi::CsiOptions;
use crate::config::{ConfigSource, Controller};
use crate::confinement::Confinement;
use crate::directories::Directories;
use crate::directory_locks::DirectoryLocks;
use crate::event;
use crate::handover::{HandoverSource, PodGeneration, Predecessor, ReceiveError};
use crate::supervisor::{SupervisorOptions, TRY_AGAIN, Worker, liveness_socket, supervise};
use crate::unix_socket::OWNER_ONLY;
use telemetry::init_logging;

/// Runs the node's daemon until a signal ends it. The process that a person or a kubelet starts is the supervisor, and
/// starts another one that serves.
pub fn run_node(args: &NodeArgs) -> Result<ExitCode> {
    init_logging()?;
    let Some(mut worker) = Worker::here().context("cannot follow the supervisor")? else {
        let liveness = args.pod_started.as_deref().map(liveness_socket);
        let options = SupervisorOptions { on_success: args.on_success(), input: None, liveness };
        return Ok(ExitCode::from(supervise(options).context("cannot start a worker")?));
    };
    match serve(args, &mut worker) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => exit_code(error),
    }
}

/// A worker that could not take over from a live process may succeed the next time. One of an older pod must not try.
fn exit_code(error: anyhow::Error) -> Result<ExitCode> {
    match error.downcast_ref() {
        Some(ReceiveError::Newer) => {
            tracing::info!("the agent of a newer pod serves");
            Ok(ExitCode::SUCCESS)
        }
        Some(failed) => {
            let (reason, error) = (failed.reason(), format!("{error:#}"));
            tracing::error!(reason, error, "failed to take over");
            Ok(ExitCode::from(TRY_AGAIN))
        }
        None => Err(error),
    }
}

fn serve(args: &NodeArgs, worker: &mut Worker) -> Result<()> {
    prepare_process();
    let directories = args.directories().context("cannot find the working directory")?;
    let (created, unusable) = directories.prepare();
    refuse(unusable)?;
    // What does not exist cannot be allowed. Failures are told when the driver makes them itself.
    for dir in args.csi_options().iter().flat_map(CsiOptions::socket_directories) {
        let _ = std::fs::create_dir_all(dir);
    }
    // Before there are other threads, which would not be restricted.
    match args.confinement(&directories).enter() {
        Ok(true) => {}
        Ok(false) => tracing::warn!(
            "the kernel has no Landlock: the worker may read every file that the container has"
        ),
        Err(error) => tracing::warn!(%error, "failed to restrict the worker to its files"),
    }
    let (events, receiver) = event::channel(false);
    let pod_generation = args.pod_generation()?;
    let predecessor = if worker.is_successor() || args.take_over || pod_generation.is_some() {
        Predecessor::find(&directories.run, pod_generation)?.map(HandoverSource::Serves)
    } else {
        None
    };
    let (store, died) = open_store(worker);
    let predecessor = predecessor.or(died);
    if predecessor.is_none() {
        wait_for_predecessor(&directories);
    }
    let takes_over = matches!(predecessor, Some(HandoverSource::Serves(_)));
    let locks = DirectoryLocks::acquire(&directories, worker.take_locks(), takes_over);
    let locks = locks.map_err(|problem| StartRefused::of(vec![problem]))?;
    let prepared = Prepared { locks, checkpoint: None, metrics: None, store };
    let source = Controller::new(args.endpoint());
    let options = args.start_options(directories, pod_generation);
    let api = options.directories.api_socket();
    let mut daemon = Daemon::start(options, prepared, source, predecessor, &events)?;
    tracing::info!(
        api = %api.display(),
        node = args.node,
        controller = %args.controller,
        "ready"
    );
    daemon.source.connect(&daemon.agent, &events).context("cannot start the subscription's thread")?;
    created.keep();
    daemon.serve(worker, &receiver)
}

impl NodeArgs {
    /// What the worker may do with files.
    fn confinement(&self, directories: &Directories) -> Confinement {
        let Directories { run, state, socket } = directories.clone();
        let parent = |file: &PathBuf| file.parent().map(PathBuf::from);
        // A projected volume replaces what its files are links to.
        let credentials = [&self.token_file, &self.ca_file].into_iter().flatten().filter_map(parent);
        let test_sources = self.allow_test_sources.then(|| PathBuf::from("/"));
        let csi = self.csi_options();
        let driver = csi.iter().flat_map(CsiOptions::socket_directories);
        let pod_started = self.pod_started.as_ref().and_then(parent);
        Confinement {
            readable: credentials.chain(self.devices.iter().cloned()).chain(test_sources).collect(),
            owned: [run, state, socket].into_iter().chain(driver).chain(pod_started).collect(),
            delivered_to: csi.iter().map(CsiOptions::pods).collect(),
        }
    }

    fn csi_options(&self) -> Option<CsiOptions> {
        let kubelet_dir = self.kubelet_dir.clone()?;
        Some(CsiOptions { node: self.node.clone(), kubelet_dir })
    }

    fn pod_generation(&self) -> Result<Option<PodGeneration>> {
        let of_file = |path: &PathBuf| {
            PodGeneration::of_file(path)
                .with_context(|| format!("--pod-started: {} cannot be kept", path.display()))
        };
        self.pod_started.as_ref().map(of_file).transpose()
    }

    fn start_options(&self, directories: Directories, pod_generation: Option<PodGeneration>) -> StartOptions {
        StartOptions {
            directories,
            socket_owner: self.socket_owner(),
            permissions: self.permissions(),
            api_mode: OWNER_ONLY,
            api_address: self.local,
            metrics: self.metrics,
            pod_generation,
            csi: self.csi_options(),
            vms: CommandLineVms::default(),
            uses_systemd: false,
        }
    }
}
