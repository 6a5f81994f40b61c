//! From nothing to a daemon that serves, or to every sentence about why not.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::metrics::{Endpoint, Metrics};
use agent::{
    Agent, ApiSocket, Checkpointer, HandoverListener, LocalApi, ManifestSet, PredecessorGuard, Worker,
    outlive, vacant,
};
use anyhow::{Context, Result};
use dataplane::{AttachRequest, Client, DataPlaneOptions, SocketOwner, socket_path};
use delivery::NodeConfig;

use super::events::Events;
use super::live::not_served;
use super::memory::Memory;
use super::watch::Watch;
use super::{files, inherit};
use crate::args::{self, RunArgs, TcpVmSpec, VmSpec};

/// How long what is owed may still be served after a signal.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a daemon that was killed may take to be gone.
const DYING: Duration = Duration::from_millis(300);

/// A daemon at work.
pub(super) struct Daemon {
    pub(super) roots: Vec<PathBuf>,
    pub(super) book: ManifestSet,
    pub(super) agent: Arc<Agent>,
    pub(super) watch: Watch,
    /// None while another process is to take over, or if it could not go on after that.
    pub(super) keeper: Option<Checkpointer>,
    pub(super) state_dir: PathBuf,
    pub(super) api: LocalApi,
    pub(super) metrics: Option<Metrics>,
    /// Where a successor knocks.
    pub(super) door: Option<HandoverListener>,
    /// Whoever served before, until it hears that this daemon does.
    pub(super) relieved: Option<PredecessorGuard>,
}

/// Everything that is wrong, a line each.
#[derive(Debug)]
struct Refused(Vec<String>);

impl std::error::Error for Refused {}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is served")?;
        self.0.iter().try_for_each(|sentence| write!(f, "\n  {sentence}"))
    }
}

/// Starts a daemon. All that can be known to be wrong is said at once, before anything is served.
pub(super) fn start(args: &RunArgs, worker: &mut Worker, events: Events) -> Result<Daemon> {
    // Watched before they are read, so that no change falls between the two.
    let changed = events.clone();
    let watch = Watch::new(&args.files, move || changed.changed())?;
    let (made, unusable) = args.directories().prepare();
    let before = inherit::before(args, worker.is_successor(), worker.passed())?;
    if before.is_none() {
        outlive(&args.run_dir.join("api.sock"), DYING);
    }
    let memory = Memory::load(args, unusable.is_empty());
    let mut book = memory.book.clone();
    let verdict = book.read(files::read(&args.files));
    verdict.noted.iter().for_each(|note| tracing::warn!(note, "in the manifests"));

    let mut wrong = Vec::new();
    if memory.is_of_use() && book.served_pools() {
        verdict.complain();
    } else {
        wrong = verdict.refused;
    }
    // Where one has served with the same arguments before, they were right, and all others are to be served.
    if wrong.is_empty() && before.is_none() && !worker.comes_again() {
        let ports = args.ports.iter().map(|port| ("--tcp", &port.vm));
        let members = args.vms.iter().map(|vm| ("--vm", vm)).chain(ports);
        wrong.extend(members.filter_map(|(flag, vm)| homeless(flag, vm, book.config())));
    }
    wrong.extend(unusable);
    wrong.extend(twice(args));
    let mut endpoint = None;
    if before.is_none() {
        wrong.extend(without_socket(args));
        let bound = args.metrics.map(Endpoint::bind).transpose();
        endpoint = bound.unwrap_or_else(|error| {
            wrong.push(format!("--metrics: {error}"));
            None
        });
    }
    refuse(wrong)?;
    let Begun { agent, book, keeper, listening, relieved } = match before {
        None => begin(args, memory, book, worker.comes_again())?,
        Some(before) => inherit::begin(args, memory, book, before)?,
    };
    let agent = Arc::new(agent);
    let knocks = events.clone();
    let door =
        HandoverListener::in_run_dir(&args.run_dir, None, move |successor| knocks.hand_over(successor));
    let api = LocalApi::serve(listening, None, Arc::clone(&agent), Arc::new(events))?;
    let (address, metrics) = measured(args, endpoint, &agent)?.unzip();
    let (roots, state_dir) = (args.files.clone(), args.state_dir.clone());
    let keeper = Some(keeper);
    let mut daemon = Daemon { roots, book, agent, watch, keeper, state_dir, api, metrics, door, relieved };
    daemon.keep();
    daemon.announce(args, address)?;
    made.keep();
    Ok(daemon)
}

/// Where its metrics are read, if anywhere. A port that was not taken yet is another process's still.
fn measured(
    args: &RunArgs,
    endpoint: Option<Endpoint>,
    agent: &Arc<Agent>,
) -> Result<Option<(SocketAddr, Metrics)>> {
    let Some(asked) = args.metrics else { return Ok(None) };
    let address = endpoint.as_ref().map_or(Ok(asked), Endpoint::address)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics can be read by everybody who reaches this address");
    }
    let agent = Arc::clone(agent);
    let metrics = match endpoint {
        Some(endpoint) => Metrics::serve(endpoint, agent)?,
        None => Metrics::inherit(asked, agent)?,
    };
    Ok(Some((address, metrics)))
}

/// What a daemon that serves has.
pub(super) struct Begun {
    pub(super) agent: Agent,
    pub(super) book: ManifestSet,
    pub(super) keeper: Checkpointer,
    pub(super) listening: ApiSocket,
    pub(super) relieved: Option<PredecessorGuard>,
}

/// Begins where nobody serves.
fn begin(args: &RunArgs, memory: Memory, book: ManifestSet, again: bool) -> Result<Begun> {
    let listening = ApiSocket::bind(&args.run_dir.join("api.sock"), args.api_mode)?;
    let agent = Agent::start(options(args, false))?;
    let book = in_force(&agent, book, &memory)?;
    let attached = args.vms.iter().filter_map(|vm| agent.attach(wanted(vm, &args.namespace)).err());
    let listen = |port: &TcpVmSpec| agent.attach_tcp(wanted(&port.vm, &args.namespace), port.address).err();
    let wrong: Vec<_> =
        attached.chain(args.ports.iter().filter_map(listen)).map(|error| error.to_string()).collect();
    if again {
        for error in &wrong {
            tracing::warn!(error, "not attached again");
        }
    } else if !wrong.is_empty() {
        agent.drain(Duration::ZERO);
        refuse(wrong)?;
    }
    let keeper = memory.restore(&agent)?;
    agent.discard_unclaimed();
    Ok(Begun { agent, book, keeper, listening, relieved: None })
}

/// What the data plane is started with; `held` until another process has stopped.
pub(super) fn options(args: &RunArgs, held: bool) -> DataPlaneOptions {
    let (socket_dir, allowed) = (args.socket_dir(), args.allowed());
    let state_file = Some(args.run_dir.join("state"));
    DataPlaneOptions {
        socket_dir,
        owner: SocketOwner::default(),
        permissions: allowed,
        state_file,
        paused: held,
    }
}

/// Puts what was read in force, or else what was in force before.
pub(super) fn in_force(agent: &Agent, book: ManifestSet, memory: &Memory) -> Result<ManifestSet> {
    memory.recall(agent);
    match agent.apply(book.config()) {
        Ok(()) => Ok(book),
        Err(error) if memory.is_of_use() && memory.book.config() != book.config() => {
            not_served(error);
            agent
                .apply(memory.book.config())
                .context("what was accepted last cannot be served here either")?;
            Ok(memory.book.clone())
        }
        Err(error) => Err(error).context("the manifests are right, but cannot be served here"),
    }
}

impl Daemon {
    /// It serves.
    fn announce(&self, args: &RunArgs, metrics: Option<SocketAddr>) -> Result<()> {
        let vms: usize = self.agent.snapshot()?.pools.iter().map(|pool| pool.vms.len()).sum();
        let (socket, pools) = (args.run_dir.join("api.sock"), self.book.config().pools.len());
        let (api, metrics) = (socket.display(), metrics.map(tracing::field::display));
        tracing::info!(%api, pools, vms, metrics, "ready");
        Ok(())
    }

    /// Hangs up on callers, serves what may still go, and removes the sockets.
    pub(super) fn stop(mut self) {
        self.api.stop();
        self.metrics.into_iter().for_each(Metrics::stop);
        let keeper = self.keeper.take();
        let keeper = keeper.map(|mut keeper| {
            keeper.finish(&self.agent, self.book.specs());
            keeper
        });
        self.agent.drain(DRAIN);
        keeper.map(Checkpointer::stop);
    }
}

pub(super) fn refuse(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Refused(wrong).into()) }
}

/// VMs that are named more than once.
fn twice(args: &RunArgs) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let again = args.vms.iter().filter(|vm| !ids.insert(&vm.name));
    again.map(|vm| format!("--vm {} is given twice: a VM has one socket, in one class", vm.name)).collect()
}

/// VMs that cannot have their socket.
fn without_socket(args: &RunArgs) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for vm in args.vms.iter().filter(|vm| ids.insert(&vm.name)) {
        let socket = socket_path(&args.socket_dir(), &vm.name).map_err(|error| error.to_string());
        let vacant = socket.and_then(|socket| vacant(&socket).map_err(|error| error.to_string()));
        wrong.extend(vacant.err().map(|error| format!("--vm {}: {error}", vm.name)));
    }
    wrong
}

/// A pool or class that the manifests do not have.
fn homeless(flag: &str, vm: &VmSpec, config: &NodeConfig) -> Option<String> {
    let list = |names: Vec<&str>| names.join(", ");
    let Some(pool) = config.pools.iter().find(|pool| pool.name == vm.pool) else {
        let pools = list(config.pools.iter().map(|pool| pool.name.as_str()).collect());
        return Some(format!("{flag} {}: there is no pool {}; there is {pools}", vm.name, vm.pool));
    };
    let class = vm.class.as_ref()?;
    if pool.classes.iter().any(|known| known.name == *class) {
        return None;
    }
    let classes = list(pool.classes.iter().map(|class| class.name.as_str()).collect());
    Some(format!("{flag} {}: pool {} has no class {class}; it has {classes}", vm.name, vm.pool))
}

pub(super) fn wanted(vm: &VmSpec, namespace: &str) -> AttachRequest {
    let client = match vm.client {
        args::Client::Qemu => Client::Qemu,
        args::Client::Egd => Client::Egd,
    };
    let VmSpec { name: id, pool, class, .. } = vm.clone();
    AttachRequest { id, namespace: namespace.to_owned(), pool, class, client }
}
