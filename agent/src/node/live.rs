//! An agent at work: what its controller and the node's VMs bring about, and the end.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::events::{Event, Events};
use super::pods::Pods;
use crate::agent::Agent;
use crate::api::LocalApi;
use crate::checkpoint::AcceptedSpecs;
use crate::checkpointer::Checkpointer;
use crate::controller_client::{ControllerEndpoint, Subscription};
use crate::handover::{HandoverListener, PendingSuccessor, PredecessorGuard};
use crate::metrics::Metrics;

/// How long what is owed may still be served after a signal.
const DRAIN: Duration = Duration::from_secs(1);

/// A node agent at work.
pub(super) struct Node {
    pub(super) agent: Arc<Agent>,
    pub(super) state_dir: PathBuf,
    /// None while another process is to take over, or if it could not go on after that.
    pub(super) keeper: Option<Checkpointer>,
    pub(super) api: LocalApi,
    pub(super) metrics: Option<Metrics>,
    pub(super) pods: Option<Pods>,
    pub(super) target: ControllerEndpoint,
    pub(super) events: Events,
    /// None while another process is to take over.
    pub(super) subscription: Option<Subscription>,
    /// What was heard while another process was to take over.
    pub(super) late: VecDeque<Event>,
    /// Whoever served before, until it hears that this agent does.
    pub(super) relieved: Option<PredecessorGuard>,
    /// Where a successor knocks.
    pub(super) door: Option<HandoverListener>,
}

/// Why an agent ends.
pub(super) enum End {
    /// This signal came.
    Signal(&'static str),
    /// Another process has it all.
    HandedOver(PendingSuccessor),
}

impl Node {
    /// Follows what happens until there is an end to it.
    pub(super) fn follow(&mut self, events: &Receiver<Event>) -> End {
        loop {
            let event = self.late.pop_front().map_or_else(|| events.recv(), Ok);
            match event {
                Ok(Event::Vms) => {
                    self.note();
                    self.subscription.iter().for_each(Subscription::vms_changed);
                }
                Ok(Event::Moved { vm, class }) => self.pods.iter().for_each(|pods| pods.moved(&vm, &class)),
                Ok(Event::Detached { vm }) => self.pods.iter().for_each(|pods| pods.cut(&vm)),
                Ok(Event::InForce(last_good)) => {
                    self.keeper.iter_mut().for_each(|keeper| keeper.set_last_good(last_good.clone()));
                    self.pods.iter().for_each(Pods::configured);
                    // Where nothing could be read at the start, what was left of VMs has waited until now.
                    self.agent.discard_unclaimed();
                    self.note();
                }
                Ok(Event::HandOver(successor)) => {
                    if let Some(heir) = self.hand_over(successor, events) {
                        return End::HandedOver(heir);
                    }
                }
                Ok(Event::Stop(signal)) => return End::Signal(signal),
                // The API holds the other end for as long as the agent lives.
                Err(_) => return End::Signal("none"),
            }
        }
    }

    fn note(&mut self) {
        self.keeper.iter_mut().for_each(|keeper| keeper.note(&self.agent, AcceptedSpecs::default()));
    }

    /// Hangs up on the controller and on callers, serves what may still go, and removes the sockets.
    pub(super) fn stop(mut self) {
        self.subscription.into_iter().for_each(Subscription::stop);
        drop(self.pods);
        self.api.stop();
        self.metrics.into_iter().for_each(Metrics::stop);
        self.keeper.iter_mut().for_each(|keeper| keeper.finish(&self.agent, AcceptedSpecs::default()));
        self.agent.drain(DRAIN);
        self.keeper.map(Checkpointer::stop);
    }
}
