//! `entropool-agent`: the node agent as a program.

mod args;
mod events;
mod memory;
mod pods;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use server::Options;

use self::events::{Event, Events};
use self::memory::Memory;
use self::pods::Pods;
use crate::agent::Agent;
use crate::checkpoint::Specs;
use crate::core_dump::leave_no_core;
use crate::keeper::Keeper;
use crate::local::{ApiSocket, LocalApi, OWNER_ONLY};
use crate::log::log_to_stderr;
use crate::subscribe::Subscription;

pub use args::Args;

/// How long what is owed may still be served after a signal.
const DRAIN: Duration = Duration::from_secs(1);

/// A node agent at work.
struct Node {
    agent: Arc<Agent>,
    keeper: Keeper,
    api: LocalApi,
    pods: Option<Pods>,
    subscription: Subscription,
}

/// Serves until a signal says otherwise.
pub fn run(args: &Args) -> Result<()> {
    log_to_stderr()?;
    leave_no_core();
    let (events, heard) = events::channel();
    let mut node = start(args, &events)?;
    let signal = node.follow(&heard);
    tracing::info!(signal, "draining");
    node.stop();
    tracing::info!("stopped");
    Ok(())
}

fn start(args: &Args, events: &Events) -> Result<Node> {
    let directories = args.directories().context("cannot tell the working directory")?;
    let (made, unusable) = directories.prepare();
    ensure!(unusable.is_empty(), "nothing is served\n  {}", unusable.join("\n  "));
    let socket = directories.run.join("api.sock");
    let listening = ApiSocket::bind(&socket, OWNER_ONLY)?;
    let memory = Memory::load(&directories.state);
    let (socket_dir, state_file) = (directories.socket, Some(directories.run.join("state")));
    let (owner, allowed) = (args.owner(), args.allowed());
    let options = Options { socket_dir, owner, allowed, state_file, held: false };
    let agent = Arc::new(Agent::start(options)?);
    let held = memory.serve(&agent);
    let keeper = memory.hand_over(&agent).context("the checkpoint's thread cannot be started")?;
    agent.settle();
    let api = LocalApi::serve(listening, Arc::clone(&agent), Arc::new(events.clone()))?;
    let pods = Pods::serve(args, &agent, events)?;
    let target = args.target();
    tracing::info!(api = %socket.display(), node = target.node, controller = %target.controller, "ready");
    let subscription = Subscription::start(target, Arc::clone(&agent), held, events.clone())
        .context("the subscription's thread cannot be started")?;
    made.keep();
    Ok(Node { agent, keeper, api, pods, subscription })
}

impl Node {
    /// Follows what happens until a signal comes, and says which.
    fn follow(&mut self, events: &Receiver<Event>) -> &'static str {
        loop {
            match events.recv() {
                Ok(Event::Vms) => {
                    self.note();
                    self.subscription.vms_changed();
                }
                Ok(Event::InForce(last_good)) => {
                    self.keeper.hold(last_good);
                    if let Some(pods) = &self.pods {
                        pods.configured();
                    }
                    self.note();
                }
                Ok(Event::Stop(signal)) => return signal,
                // The API holds the other end for as long as the agent lives.
                Err(_) => return "none",
            }
        }
    }

    fn note(&mut self) {
        self.keeper.note(&self.agent, Specs::default());
    }

    /// Hangs up on the controller and on callers, serves what may still go, and removes the sockets.
    fn stop(mut self) {
        self.subscription.stop();
        drop(self.pods);
        self.api.stop();
        self.keeper.conclude(&self.agent, Specs::default());
        self.agent.drain(DRAIN);
        self.keeper.stop();
    }
}
