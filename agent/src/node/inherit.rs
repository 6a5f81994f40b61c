//! A planned restart, from both sides: taking over from an agent that serves, and handing over to one that will.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result};
use dataplane::ListenerLocation;

use super::args::Args;
use super::events::{Event, Events};
use super::live::Node;
use super::memory::{AGAIN, Memory, held};
use super::pods::Pods;
use super::start::{Begun, options};
use crate::agent::Agent;
use crate::api::{ApiSocket, OWNER_ONLY};
use crate::checkpoint::AcceptedSpecs;
use crate::checkpointer::Checkpointer;
use crate::controller_client::Subscription;
use crate::directories::Directories;
use crate::handover::{
    ExpectedVms, HandoverListener, HandoverSource, PendingSuccessor, PredecessorGuard, Received, Sockets,
    Successor, send,
};
use crate::metrics::Metrics;
use crate::roll::lament;

/// Begins with what another agent leaves. If it fails, that one goes on.
pub(super) fn begin(
    args: &Args,
    directories: &Directories,
    events: &Events,
    before: HandoverSource,
) -> Result<Begun> {
    let memory = Memory::load(&directories.state);
    let agent = Arc::new(Agent::start(options(args, directories, true))?);
    let held =
        memory.try_serve(&agent).context("what the running agent serves cannot be served by this one")?;
    let mut pods = Pods::open(args, &agent, events)?;
    let vms = pods.iter().flat_map(Pods::wanted).collect::<Vec<_>>();
    let pod_vms: BTreeSet<_> = vms.iter().map(|vm| vm.id.clone()).collect();
    let places = vms.iter().map(|vm| (vm.id.clone(), ListenerLocation::Elsewhere)).collect();
    let wanted = ExpectedVms { vms, restorable: memory.restorable(), places };

    let Received { sockets, lost, without, relieved } = before.receive(&agent, wanted, Ok)?;

    let (of_pods, of_host): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(vm, _)| pod_vms.contains(vm));
    lament(of_pods, "with each configuration, until its pod ends");
    lament(of_host, AGAIN);
    let Sockets { api, registration, driver } = sockets;
    let listening = ApiSocket::go_on(&directories.run.join("api.sock"), api, OWNER_ONLY)?;
    for vm in without {
        // Their volumes are settled next; one that has gone meanwhile is none of them.
        let _ = agent.detach(&vm);
    }
    pods.iter().for_each(Pods::settle);
    if let Some(pods) = &mut pods {
        pods.go_on((driver, registration))?;
    }
    let metrics = args.metrics.map(|address| Metrics::inherit(address, Arc::clone(&agent))).transpose()?;
    let keeper = memory.keep(&agent).context("the checkpoint's thread cannot be started")?;
    Ok(Begun { agent, held, keeper, listening, metrics, pods, relieved: Some(relieved) })
}

impl Node {
    /// Hands over to another process. If that does not take over, everything goes on.
    pub(super) fn hand_over(
        &mut self,
        successor: Successor,
        events: &Receiver<Event>,
    ) -> Option<PendingSuccessor> {
        self.hang_up(events);
        let sockets = self.sockets();
        let Self { agent, keeper, pods, state_dir, .. } = self;
        let still = pods.as_ref().map(Pods::hold);
        let heir = send(agent, keeper, AcceptedSpecs::default(), state_dir, sockets, successor);
        if heir.is_some() {
            pods.iter().for_each(Pods::leave_volumes);
        }
        drop(still);
        if heir.is_none() {
            self.subscribe_again();
        }
        heir
    }

    /// Ends the subscription. What it has put in force is kept from now on.
    fn hang_up(&mut self, events: &Receiver<Event>) {
        self.subscription.take().into_iter().for_each(Subscription::stop);
        for event in events.try_iter() {
            if let (Event::InForce(last_good), Some(keeper)) = (&event, &mut self.keeper) {
                keeper.set_last_good(last_good.clone());
            }
            // Whoever takes over reads it from the volume's record.
            if let (Event::Moved { vm, class }, Some(pods)) = (&event, &self.pods) {
                pods.moved(vm, class);
            }
            if let (Event::Detached { vm }, Some(pods)) = (&event, &self.pods) {
                pods.cut(vm);
            }
            self.late.push_back(event);
        }
    }

    fn subscribe_again(&mut self) {
        let last_good = self.keeper.as_ref().and_then(Checkpointer::last_good);
        // It could be read when it came.
        let held = last_good.and_then(|last_good| held(last_good).ok()).unwrap_or_default();
        let (target, agent) = (self.target.clone(), Arc::clone(&self.agent));
        match Subscription::start(target, agent, held, self.events.clone()) {
            Ok(subscription) => self.subscription = Some(subscription),
            Err(error) => tracing::error!(%error, "the controller is not followed any more"),
        }
    }

    fn sockets(&self) -> io::Result<Sockets> {
        let mut sockets = Sockets { api: Some(self.api.socket()?), ..Sockets::default() };
        self.pods.iter().try_for_each(|pods| pods.share(&mut sockets))?;
        Ok(sockets)
    }

    /// Tells the agent of before that this one serves.
    pub(super) fn relieve(&mut self) {
        self.relieved.take().into_iter().for_each(PredecessorGuard::serves);
    }

    /// Ends without a trace: another process has it all.
    pub(super) fn leave(self) {
        self.door.into_iter().for_each(HandoverListener::leave);
        self.metrics.into_iter().for_each(Metrics::stop);
        self.pods.into_iter().for_each(Pods::leave);
        self.api.leave();
    }
}
