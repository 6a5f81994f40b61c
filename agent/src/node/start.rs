//! From nothing to an agent that serves.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dataplane::DataPlaneOptions;

use super::args::Args;
use super::events::Events;
use super::inherit;
use super::live::Node;
use super::memory::Memory;
use super::pods::Pods;
use crate::agent::Agent;
use crate::api::{ApiSocket, LocalApi, OWNER_ONLY, outlive};
use crate::checkpointer::Checkpointer;
use crate::controller_client::{HeldConfig, Subscription};
use crate::directories::Directories;
use crate::handover::{HandoverListener, HandoverSource, PodGeneration, Predecessor, PredecessorGuard};
use crate::metrics::{Endpoint, Metrics};

/// How long an agent that was killed may take to be gone.
const DYING: Duration = Duration::from_millis(300);

/// What an agent that serves has.
pub(super) struct Begun {
    pub(super) agent: Arc<Agent>,
    pub(super) held: HeldConfig,
    pub(super) keeper: Checkpointer,
    pub(super) listening: ApiSocket,
    pub(super) metrics: Option<Metrics>,
    pub(super) pods: Option<Pods>,
    pub(super) relieved: Option<PredecessorGuard>,
}

/// Starts an agent, from what another one left or hands over.
pub(super) fn start(args: &Args, succeeds: bool, events: &Events) -> Result<Node> {
    let directories = args.directories().context("cannot tell the working directory")?;
    let (made, unusable) = directories.prepare();
    ensure!(unusable.is_empty(), "nothing is served\n  {}", unusable.join("\n  "));
    let birth = args.pod_started.as_deref().map(birth).transpose()?;
    let door = directories.run.join("handover.sock");
    let asks = succeeds || args.take_over || birth.is_some();
    let predecessor = if asks { Predecessor::find(&door, birth)? } else { None };
    let before = predecessor.map(HandoverSource::Serves);
    let begun = match before {
        None => begin(args, &directories, events)?,
        Some(before) => inherit::begin(args, &directories, events, before)?,
    };
    let node = serve(args, &directories, begun, birth, events)?;
    made.keep();
    Ok(node)
}

fn birth(path: &Path) -> Result<PodGeneration> {
    PodGeneration::of_file(path).with_context(|| format!("--pod-started: {} cannot be kept", path.display()))
}

/// What the data plane is started with; `held` until another process has stopped.
pub(super) fn options(args: &Args, directories: &Directories, held: bool) -> DataPlaneOptions {
    let (socket_dir, state_file) = (directories.socket.clone(), Some(directories.run.join("state")));
    DataPlaneOptions {
        socket_dir,
        owner: args.owner(),
        permissions: args.allowed(),
        state_file,
        paused: held,
    }
}

/// Begins where nobody serves.
fn begin(args: &Args, directories: &Directories, events: &Events) -> Result<Begun> {
    let socket = directories.run.join("api.sock");
    outlive(&socket, DYING);
    let listening = ApiSocket::bind(&socket, OWNER_ONLY)?;
    let endpoint = args.metrics.map(Endpoint::bind).transpose()?;
    let memory = Memory::load(&directories.state);
    let agent = Arc::new(Agent::start(options(args, directories, false))?);
    let held = memory.serve(&agent);
    memory.restore(&agent);
    let mut pods = Pods::open(args, &agent, events)?;
    pods.iter().for_each(Pods::settle);
    if !agent.config().pools.is_empty() {
        // What the state file says of VMs that are not attached by now is forgotten.
        agent.discard_unclaimed();
    }
    pods.iter_mut().try_for_each(Pods::serve)?;
    let metrics = endpoint.map(|endpoint| Metrics::serve(endpoint, Arc::clone(&agent))).transpose()?;
    let keeper = memory.keep(&agent).context("the checkpoint's thread cannot be started")?;
    Ok(Begun { agent, held, keeper, listening, metrics, pods, relieved: None })
}

fn serve(
    args: &Args,
    directories: &Directories,
    begun: Begun,
    birth: Option<PodGeneration>,
    events: &Events,
) -> Result<Node> {
    let Begun { agent, held, keeper, listening, metrics, pods, relieved } = begun;
    let knocks = events.clone();
    let door =
        HandoverListener::in_run_dir(&directories.run, birth, move |successor| knocks.hand_over(successor));
    let api = LocalApi::serve(listening, args.local, Arc::clone(&agent), Arc::new(events.clone()))?;
    let target = args.target();
    tracing::info!(
        api = %directories.run.join("api.sock").display(),
        node = target.node,
        controller = %target.controller,
        "ready"
    );
    let subscription = Subscription::start(target.clone(), Arc::clone(&agent), held, events.clone())
        .context("the subscription's thread cannot be started")?;
    Ok(Node {
        agent,
        state_dir: directories.state.clone(),
        keeper: Some(keeper),
        api,
        metrics,
        pods,
        target,
        events: events.clone(),
        subscription: Some(subscription),
        late: VecDeque::new(),
        relieved,
        door,
    })
}
