//! The agents' streams: who connects to whom, and what arrives when.

use std::sync::Arc;

use clock::Span;
use controller::testing::{AgentSession, SessionTask};
use delivery::publisher::{ReviewOutcome, StreamEnd};
use delivery::{FromAgent, FromController, Report};

use super::mutation::ClusterMutation;
use super::{Cluster, Deed, Link, byzantine};
use crate::violation::Check;

/// Over which an agent reconnects when its replica does not lead.
const SPREAD: Span = Span::seconds(1);

impl Cluster {
    /// Messages arrive, and both sides answer.
    pub(super) fn converse(&mut self) -> Result<(), Check> {
        for at in 0..self.nodes.len() {
            self.lose(at);
            self.connect(at);
            if self.nodes[at].byzantine && self.dice.once_in(3) {
                self.lie(at);
            }
            self.receive(at);
            self.answer(at)?;
            self.drive(at)?;
        }
        Ok(())
    }

    /// A stream to a replica that died, or that has replaced it, is gone.
    fn lose(&mut self, at: usize) {
        let Some(link) = self.nodes[at].link else { return };
        let sessions = &self.replicas[link.replica].sessions;
        if sessions.get(&self.nodes[at].name).is_none_or(|(stream, _)| *stream != link.stream) {
            self.nodes[at].cut();
            self.nodes[at].subscriber.disconnected(self.now);
            self.nodes[at].disturbed = self.now;
        }
    }

    fn connect(&mut self, at: usize) {
        let now = self.now;
        if self.nodes[at].connect_at.is_none_or(|due| now < due) {
            return;
        }
        self.nodes[at].connect_at = None;
        let serving: Vec<usize> =
            (0..self.replicas.len()).filter(|it| self.replicas[*it].serves(now)).collect();
        if serving.is_empty() {
            return self.nodes[at].subscriber.disconnected(now);
        }
        let replica = *self.dice.pick(&serving);
        self.streams += 1;
        let stream = self.streams;
        let (node, of) = (&mut self.nodes[at], &mut self.replicas[replica]);
        let session = AgentSession::new(now, &node.name, Arc::clone(&of.state), Arc::clone(&of.limits));
        of.sessions.insert(node.name.clone(), (stream, session));
        if self.plant == Some(ClusterMutation::ForgottenVersion) {
            node.forget_version(now);
            // It asks to connect, which it is.
            while node.subscriber.poll(now).is_some() {}
        }
        node.connected(now, Link { replica, stream });
    }

    fn lie(&mut self, at: usize) {
        let pods: Vec<String> = self.api.pods.keys().cloned().collect();
        let nodes: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
        for message in byzantine::lies(&mut self.dice, &pods, &nodes) {
            self.report.lies += 1;
            self.nodes[at].send(self.now, message);
        }
    }

    /// The controller receives what the agent has sent.
    fn receive(&mut self, at: usize) {
        let (now, plant) = (self.now, self.plant);
        let Some(link) = self.nodes[at].link else { return };
        if !self.replicas[link.replica].runs(now) {
            return;
        }
        let name = self.nodes[at].name.clone();
        while self.nodes[at].up.front().is_some_and(|(arrives, _)| *arrives <= now) {
            let Some((_, message)) = self.nodes[at].up.pop_front() else { break };
            let name = self.speaker(&name, &message, plant);
            let replica = &mut self.replicas[link.replica];
            let Some((_, session)) = replica.sessions.get_mut(&name) else { continue };
            if !session.admits_message(now) {
                self.cut(at);
                return;
            }
            if plant == Some(ClusterMutation::UnboundedConditions)
                && let FromAgent::Report(Report { agent: Some(state), .. }) = &message
            {
                let all = state.conditions.iter().map(|(kind, it)| {
                    let (reason, message) = (it.reason.clone(), it.message.clone());
                    (kind.clone(), plan::NodeCondition { reason, message })
                });
                let report =
                    plan::NodeReport { connected: true, conditions: all.collect(), ..Default::default() };
                replica.state.set_report(&name, report);
                continue;
            }
            session.handle(now, message);
        }
    }

    /// Who is believed to speak: the node of the token, or with a bug the one that a liar says.
    fn speaker(&mut self, name: &str, message: &FromAgent, plant: Option<ClusterMutation>) -> String {
        if plant == Some(ClusterMutation::ForeignNode)
            && let FromAgent::Report(_) = message
            && self.nodes.iter().any(|node| node.byzantine && node.name == name)
            && let Some(other) = self.nodes.iter().find(|node| !node.byzantine)
        {
            return other.name.clone();
        }
        name.to_owned()
    }

    /// The controller does what follows.
    fn answer(&mut self, at: usize) -> Result<(), Check> {
        let now = self.now;
        let Some(link) = self.nodes[at].link else { return Ok(()) };
        let leader = self.replicas.iter().position(|replica| replica.leads(now) && replica.runs(now));
        let arrives = now + Span::millis(self.dice.below(400));
        let replica = &mut self.replicas[link.replica];
        if !replica.runs(now) {
            return Ok(());
        }
        let planned = replica.state.plan.borrow().clone();
        let Some((_, session)) = replica.sessions.get_mut(&self.nodes[at].name) else { return Ok(()) };
        if let Some(planned) = planned {
            session.publish(now, &planned);
        }
        session.wake(now);
        if leader.is_some_and(|leader| leader != link.replica) && self.dice.once_in(4) {
            session.leave(SPREAD);
        }
        let mut end = None;
        while let Some(task) = session.poll(now) {
            match task {
                SessionTask::Send(message) => self.nodes[at].receive(arrives, torn(message, self.plant)),
                SessionTask::ReviewToken(_) => session.reviewed(now, ReviewOutcome::Accepted),
                SessionTask::RefusedMove { .. } => {}
                SessionTask::End(reason) => end = Some(reason),
            }
        }
        match end {
            None => Ok(()),
            Some(StreamEnd::Leaving) => {
                self.hang_up(at);
                Ok(())
            }
            Some(reason) if self.nodes[at].byzantine => {
                let _ = reason;
                self.cut(at);
                Ok(())
            }
            Some(reason) => {
                let name = &self.nodes[at].name;
                Err(("isolation", format!("the stream of {name}, which is well, was ended: {reason:?}")))
            }
        }
    }

    fn drive(&mut self, at: usize) -> Result<(), Check> {
        let now = self.now;
        self.nodes[at].hear(now);
        let arrives = now + Span::millis(self.dice.below(400));
        for deed in self.nodes[at].drive(now, arrives) {
            match deed {
                Deed::Connect => {
                    self.nodes[at].connect_at = Some(now + Span::millis(self.dice.below(300)));
                }
                Deed::Applied { content } => {
                    self.report.applied += 1;
                    if !self.nodes[at].byzantine {
                        self.past.applied(now, &self.nodes[at], content.digest())?;
                    }
                }
                Deed::Moved(order) => {
                    self.report.moved += 1;
                    let pod = self.api.pods.get(&order.uid);
                    let owner = pod.and_then(|pod| pod.node.as_deref());
                    if !self.nodes[at].byzantine && owner.is_some_and(|owner| owner != self.nodes[at].name) {
                        let what = format!(
                            "{} is told to move {}, which is elsewhere",
                            self.nodes[at].name, order.uid
                        );
                        return Err(("isolation", what));
                    }
                }
                Deed::RolledBack { from, to } => {
                    if self.past.restored.is_none() {
                        return Err((
                            "P6",
                            format!("rolled back from {from:?} to {to:?}, and nothing was restored"),
                        ));
                    }
                }
                Deed::Disconnect => {
                    self.hang_up(at);
                    self.nodes[at].cut();
                    self.nodes[at].disturbed = now;
                }
            }
        }
        Ok(())
    }
}

/// A message as it arrives, with the bug that is planted on its way.
fn torn(
    mut message: FromController<codec::Bytes>,
    plant: Option<ClusterMutation>,
) -> FromController<codec::Bytes> {
    if let FromController::Update(update) = &mut message
        && plant == Some(ClusterMutation::TornUpdate)
        && update.changed.len() > 1
    {
        update.changed.pop();
    }
    message
}
