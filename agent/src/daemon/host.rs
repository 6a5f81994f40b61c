//! The daemon of a host without Kubernetes: configured by manifest files, with VMs of the command line.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use anyhow::{Context, Result};
use dataplane::{AttachRequest, SocketOwner, socket_path};
use delivery::NodeConfig;
use rustix::fs::{MemfdFlags, memfd_create};

use super::args::HostArgs;
use super::checkpointer::LoadedCheckpoint;
use super::options::{CommandLineVms, Prepared, StartOptions, StartRefused, refuse};
use super::run::Daemon;
use super::start::{prepare_process, wait_for_predecessor};
use super::store::open_store;
use crate::config::Files;
use crate::config::manifest_files::{ManifestFiles, read_text, reads_standard_input};
use crate::config::manifests::ManifestSet;
use crate::directory_locks::DirectoryLocks;
use crate::event::{self, DaemonEvents};
use crate::handover::{HandoverSource, Predecessor, StoredHandover};
use crate::metrics::Endpoint;
use crate::supervisor::{ListenFd, SupervisorOptions, Worker, supervise};
use crate::unix_socket::check_vacant;
use telemetry::init_logging;

/// Runs the host's daemon until a signal ends it. The process that a person or a service manager starts is the
/// supervisor, and starts another one that serves.
pub fn run_host(args: &HostArgs) -> Result<ExitCode> {
    init_logging()?;
    if let Some(worker) = Worker::here().context("cannot follow the supervisor")? {
        return serve(args, worker).map(|()| ExitCode::SUCCESS);
    }
    let input = reads_standard_input(&args.files).then(keep_standard_input).transpose();
    let input = input.context("cannot read the manifests from standard input")?;
    let options = SupervisorOptions { input, ..SupervisorOptions::default() };
    let code = supervise(options).context("cannot start a worker")?;
    Ok(ExitCode::from(code))
}

/// What is on standard input, for all workers: it can be read only once.
fn keep_standard_input() -> io::Result<OwnedFd> {
    let text = read_text(io::stdin()).map_err(io::Error::other)?;
    let mut file = File::from(memfd_create("manifests", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    Ok(file.into())
}

fn serve(args: &HostArgs, mut worker: Worker) -> Result<()> {
    prepare_process();
    let directories = args.directories.absolute().context("cannot find the working directory")?;
    let args = HostArgs { directories, ..args.clone() };
    let (events, receiver) = event::channel(true);
    let daemon = start(&args, &mut worker, &events)?;
    daemon.serve(&worker, &receiver)
}

/// Starts the daemon. Every error that can be found is reported at once, before anything is served.
fn start(args: &HostArgs, worker: &mut Worker, events: &DaemonEvents) -> Result<Daemon<Files>> {
    let input = worker.take_input().map(|input| read_text(File::from(input)));
    let files = ManifestFiles::new(&args.files, input);
    let mut files = Files::watch(files, events, worker.served_before())?;
    let (created, unusable) = args.directories.prepare();
    let (store, died) = open_store(worker);
    let predecessor = find_predecessor(args, worker.is_successor(), worker.take_listen_fds())?.or(died);
    let alone = predecessor.is_none();
    if alone {
        wait_for_predecessor(&args.directories);
    }
    // Before anything in them is read or changed.
    let takes_over = matches!(predecessor, Some(HandoverSource::Serves(_)));
    let locks = DirectoryLocks::acquire(&args.directories, worker.take_locks(), takes_over);
    let locks = locks.map_err(|problem| StartRefused::of(vec![problem]))?;
    let named = args.vms.iter().map(|vm| &*vm.id).collect();
    let checkpoint = LoadedCheckpoint::load(&args.directories.state, unusable.is_empty()).without(&named);
    let outcome = files.read(args.restored_manifests(&checkpoint));
    let mut problems = Vec::new();
    if files.has_fallback() && files.has_pools() {
        outcome.log_refused();
    } else {
        problems = outcome.refused;
    }
    // The arguments were valid when this process served before, and the other VMs are to be served in any case.
    if problems.is_empty() && alone && !worker.served_before() {
        problems.extend(args.without_class(files.config()));
    }
    problems.extend(unusable);
    problems.extend(args.duplicates());
    let mut endpoint = None;
    if alone {
        problems.extend(args.occupied_sockets());
        match args.metrics.map(Endpoint::bind).transpose() {
            Ok(bound) => endpoint = bound,
            Err(error) => problems.push(format!("--metrics: {error}")),
        }
    }
    refuse(problems)?;

    // A port that is not bound yet is still the other process's.
    let metrics = endpoint.as_ref().map(Endpoint::address).transpose()?.or(args.metrics);
    let prepared = Prepared { locks, checkpoint: Some(checkpoint), metrics: endpoint, store };
    let options = args.start_options(worker.served_before());
    let mut daemon = Daemon::start(options, prepared, files, predecessor, events)?;
    daemon.save();
    daemon.log_ready(args, metrics)?;
    created.keep();
    Ok(daemon)
}

/// What another process left or leaves for this daemon. The checkpoint is complete from now on.
fn find_predecessor(
    args: &HostArgs,
    is_successor: bool,
    listen_fds: Vec<ListenFd>,
) -> Result<Option<HandoverSource>> {
    if let Some(stored) = StoredHandover::of(listen_fds) {
        return Ok(Some(HandoverSource::Stored(Box::new(stored))));
    }
    if !is_successor && !args.take_over {
        return Ok(None);
    }
    let run_dir = &args.directories.run;
    let predecessor = Predecessor::find(run_dir, None)?;
    if predecessor.is_none() {
        tracing::info!(run_dir = %run_dir.display(), "there is no daemon to take over from");
    }
    Ok(predecessor.map(HandoverSource::Serves))
}

impl Daemon<Files> {
    fn log_ready(&self, args: &HostArgs, metrics: Option<SocketAddr>) -> Result<()> {
        if let Some(address) = metrics.filter(|address| !address.ip().is_loopback()) {
            tracing::warn!(%address, "metrics can be read by everybody who reaches this address");
        }
        let snapshot = self.agent.snapshot()?;
        let vms: usize = snapshot.pools.iter().map(|pool| pool.vms.len()).sum();
        let pools = self.agent.config().pools.len();
        let api = args.directories.api_socket();
        let (api, metrics) = (api.display(), metrics.map(tracing::field::display));
        tracing::info!(%api, pools, vms, metrics, "ready");
        Ok(())
    }
}

impl HostArgs {
    fn start_options(&self, served_before: bool) -> StartOptions {
        StartOptions {
            directories: self.directories.clone(),
            socket_owner: SocketOwner::default(),
            permissions: self.permissions.clone(),
            api_mode: self.api_mode,
            api_address: None,
            metrics: self.metrics,
            pod_generation: None,
            csi: None,
            vms: CommandLineVms { vms: self.vms.clone(), ports: self.ports.clone(), served_before },
            uses_systemd: true,
        }
    }

    /// The manifests that the checkpoint holds, with the namespaces of its VMs and of those of the command line.
    fn restored_manifests(&self, checkpoint: &LoadedCheckpoint) -> ManifestSet {
        let vms = checkpoint.restorable().vms;
        let namespaces = vms.into_values().map(|vm| vm.namespace).chain([self.namespace.clone()]);
        ManifestSet::new(namespaces).restore(checkpoint.state().accepted.clone())
    }

    /// VMs that are named more than once.
    fn duplicates(&self) -> Vec<String> {
        let mut ids = BTreeSet::new();
        let duplicates = self.vms.iter().filter(|vm| !ids.insert(&vm.id));
        duplicates
            .map(|vm| format!("--vm {} is given twice: a VM has one socket, in one class", vm.id))
            .collect()
    }

    /// VMs whose socket cannot be created.
    fn occupied_sockets(&self) -> Vec<String> {
        let mut ids = BTreeSet::new();
        let mut problems = Vec::new();
        for vm in self.vms.iter().filter(|vm| ids.insert(&vm.id)) {
            let socket = socket_path(&self.directories.socket, &vm.id).map_err(|error| error.to_string());
            let vacant = socket.and_then(|socket| check_vacant(&socket).map_err(|error| error.to_string()));
            problems.extend(vacant.err().map(|error| format!("--vm {}: {error}", vm.id)));
        }
        problems
    }

    /// VMs whose pool or class is not in the manifests.
    fn without_class(&self, config: &NodeConfig) -> Vec<String> {
        let vms = self.vms.iter().map(|vm| ("--vm", vm));
        let ports = self.ports.iter().map(|(_, vm)| ("--tcp", vm));
        vms.chain(ports).filter_map(|(flag, vm)| missing_class(flag, vm, config)).collect()
    }
}

fn missing_class(flag: &str, vm: &AttachRequest, config: &NodeConfig) -> Option<String> {
    let list = |names: Vec<&str>| names.join(", ");
    let Some(pool) = config.pools.iter().find(|pool| pool.name == vm.pool) else {
        let pools = list(config.pools.iter().map(|pool| pool.name.as_str()).collect());
        return Some(format!("{flag} {}: there is no pool {}; available: {pools}", vm.id, vm.pool));
    };
    let class = vm.class.as_ref()?;
    if pool.classes.iter().any(|known| known.name == *class) {
        return None;
    }
    let classes = list(pool.classes.iter().map(|class| class.name.as_str()).collect());
    Some(format!("{flag} {}: pool {} has no class {class}; it has {classes}", vm.id, vm.pool))
}
