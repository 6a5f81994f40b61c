//! From nothing to a daemon that serves, or to every sentence about why not.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::metrics::{Endpoint, Metrics};
use agent::{Agent, ApiSocket, Book, Keeper, LocalApi, vacant};
use anyhow::{Context, Result};
use delivery::NodeConfig;
use server::{Attach, Client, Options, Owner, socket_path};

use super::events::Events;
use super::files;
use super::live::not_served;
use super::memory::Memory;
use super::watch::Watch;
use crate::args::{self, Member, Port, RunArgs};

/// How long what is owed may still be served after a signal.
const DRAIN: Duration = Duration::from_secs(1);

/// A daemon at work.
pub(super) struct Daemon {
    pub(super) roots: Vec<PathBuf>,
    pub(super) book: Book,
    pub(super) agent: Arc<Agent>,
    pub(super) watch: Watch,
    pub(super) keeper: Keeper,
    api: LocalApi,
    metrics: Option<Metrics>,
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
pub(super) fn start(args: &RunArgs, events: Events) -> Result<Daemon> {
    // Watched before they are read, so that no change falls between the two.
    let changed = events.clone();
    let watch = Watch::new(&args.files, move || changed.changed())?;
    let (made, unusable) = args.directories().prepare();
    let memory = Memory::load(args, unusable.is_empty());
    let mut book = memory.book.clone();
    let verdict = book.read(files::read(&args.files));
    verdict.noted.iter().for_each(|note| tracing::warn!(note, "in the manifests"));

    let mut wrong = Vec::new();
    if memory.is_of_use() && book.serves() {
        verdict.complain();
    } else {
        wrong = verdict.refused;
    }
    if wrong.is_empty() {
        let ports = args.ports.iter().map(|port| ("--tcp", &port.member));
        let members = args.vms.iter().map(|vm| ("--vm", vm)).chain(ports);
        wrong.extend(members.filter_map(|(flag, vm)| homeless(flag, vm, book.config())));
    }
    wrong.extend(unusable);
    wrong.extend(without_socket(args));
    let endpoint = args.metrics.map(Endpoint::bind).transpose();
    wrong.extend(endpoint.as_ref().err().map(|error| format!("--metrics: {error}")));
    refuse(wrong)?;
    let daemon = serve(args, memory, book, watch, events, endpoint?)?;
    made.keep();
    Ok(daemon)
}

fn serve(
    args: &RunArgs,
    memory: Memory,
    book: Book,
    watch: Watch,
    events: Events,
    endpoint: Option<Endpoint>,
) -> Result<Daemon> {
    let socket = args.run_dir.join("api.sock");
    let listening = ApiSocket::bind(&socket, args.api_mode)?;
    let (socket_dir, allowed) = (args.socket_dir(), args.allowed());
    let agent = Agent::start(Options { socket_dir, owner: Owner::default(), allowed })?;
    let book = in_force(&agent, book, &memory)?;
    let attached = args.vms.iter().filter_map(|vm| agent.attach(wanted(vm, &args.namespace)).err());
    let listen = |port: &Port| agent.attach_tcp(wanted(&port.member, &args.namespace), port.address).err();
    let wrong: Vec<_> =
        attached.chain(args.ports.iter().filter_map(listen)).map(|error| error.to_string()).collect();
    if !wrong.is_empty() {
        agent.drain(Duration::ZERO);
        refuse(wrong)?;
    }
    let keeper = memory.hand_over(&agent)?;
    let agent = Arc::new(agent);
    let api = LocalApi::serve(listening, Arc::clone(&agent), Arc::new(events))?;
    let address = endpoint.as_ref().map(Endpoint::address).transpose()?;
    let metrics = endpoint.map(|endpoint| Metrics::serve(endpoint, Arc::clone(&agent))).transpose()?;
    let mut daemon = Daemon { roots: args.files.clone(), book, agent, watch, keeper, api, metrics };
    daemon.keep();
    if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
        tracing::warn!(%address, "metrics can be read by everybody who reaches this address");
    }
    let vms: usize = daemon.agent.snapshot()?.pools.iter().map(|pool| pool.vms.len()).sum();
    let (api, pools) = (socket.display(), daemon.book.config().pools.len());
    let metrics = address.map(tracing::field::display);
    tracing::info!(%api, pools, vms, metrics, "ready");
    Ok(daemon)
}

/// Puts what was read in force, or else what was in force before.
fn in_force(agent: &Agent, book: Book, memory: &Memory) -> Result<Book> {
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
    /// Hangs up on callers, serves what may still go, and removes the sockets.
    pub(super) fn stop(mut self) {
        self.api.stop();
        self.metrics.into_iter().for_each(Metrics::stop);
        self.keeper.conclude(&self.agent, self.book.specs());
        self.agent.drain(DRAIN);
        self.keeper.stop();
    }
}

fn refuse(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Refused(wrong).into()) }
}

/// VMs that cannot have their socket, or not both.
fn without_socket(args: &RunArgs) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for vm in &args.vms {
        if !ids.insert(&vm.id) {
            wrong.push(format!("--vm {} is given twice: a VM has one socket, in one class", vm.id));
            continue;
        }
        let socket = socket_path(&args.socket_dir(), &vm.id).map_err(|error| error.to_string());
        let vacant = socket.and_then(|socket| vacant(&socket).map_err(|error| error.to_string()));
        wrong.extend(vacant.err().map(|error| format!("--vm {}: {error}", vm.id)));
    }
    wrong
}

/// A pool or class that the manifests do not have.
fn homeless(flag: &str, vm: &Member, config: &NodeConfig) -> Option<String> {
    let list = |names: Vec<&str>| names.join(", ");
    let Some(pool) = config.pools.iter().find(|pool| pool.name == vm.pool) else {
        let pools = list(config.pools.iter().map(|pool| pool.name.as_str()).collect());
        return Some(format!("{flag} {}: there is no pool {}; there is {pools}", vm.id, vm.pool));
    };
    let class = vm.class.as_ref()?;
    if pool.classes.iter().any(|known| known.name == *class) {
        return None;
    }
    let classes = list(pool.classes.iter().map(|class| class.name.as_str()).collect());
    Some(format!("{flag} {}: pool {} has no class {class}; it has {classes}", vm.id, vm.pool))
}

fn wanted(vm: &Member, namespace: &str) -> Attach {
    let client = match vm.client {
        args::Client::Qemu => Client::Qemu,
        args::Client::Egd => Client::Egd,
    };
    let Member { id, pool, class, .. } = vm.clone();
    Attach { id, namespace: namespace.to_owned(), pool, class, client }
}
