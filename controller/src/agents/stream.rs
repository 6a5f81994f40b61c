//! One agent's stream: drives its session, which makes all decisions, with real messages and timers.

use std::sync::Arc;
use std::time::Duration;

use api::EntropyClass;
use codec::Bytes;
use delivery::agent_auth::{AgentIdentity, AuthError};
use delivery::publisher::{ReviewOutcome, StreamEnd};
use delivery::{FromController, Nack, Span, Tick};
use proto::delivery as wire;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Status, Streaming};
use tracing::{debug, info};

use super::node_limits::{Expense, NodeLimits};
use super::session::{AgentSession, SessionTask};
use super::stream_registry::{RegisteredStream, StreamRegistry};
use crate::ca::{ReviewResult, TokenReviewer};
use crate::clock::{self, tick as now};
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::{ConditionEvent, EventRecorder, reference};

/// When this replica stops, its agents reconnect spread over this time.
const RECONNECT_SPREAD: Span = Span::seconds(3);

/// A message to an agent, or the error that ends its stream. Queued in a box: each of thousands of queues reserves room
/// for tens of messages.
pub(super) type OutgoingMessage = Result<wire::FromController, Status>;

pub(super) struct AgentStream {
    pub(super) state: Arc<SharedState>,
    pub(super) reviewer: Arc<TokenReviewer>,
    pub(super) registry: Arc<StreamRegistry>,
    pub(super) limits: Arc<NodeLimits>,
    pub(super) recorder: Arc<EventRecorder>,
    pub(super) registered: RegisteredStream,
    pub(super) role: watch::Receiver<Leadership>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) agent: AgentIdentity,
    pub(super) outbox: mpsc::Sender<Box<OutgoingMessage>>,
}

/// A running stream.
struct StreamContext {
    session: AgentSession,
    /// The pending review of a token that the agent presented again.
    review: Option<oneshot::Receiver<ReviewOutcome>>,
    ended: bool,
}

/// Runs a stream until it ends.
pub(super) async fn run_stream(mut own: AgentStream, mut inbox: Streaming<wire::FromAgent>) {
    let since = clock::since_start();
    let mut live = StreamContext {
        session: AgentSession::new(now(), &own.agent.node, Arc::clone(&own.state), Arc::clone(&own.limits)),
        review: None,
        ended: false,
    };
    let mut plans = own.state.plan.subscribe();
    let mut vm_pods = own.state.vm_pods.subscribe();
    plans.mark_changed();
    while !live.ended {
        while let Some(task) = live.session.poll(now()) {
            own.perform(&mut live, task);
        }
        if live.ended {
            break;
        }
        tokio::select! {
            message = inbox.message() => match message {
                Ok(Some(message)) => {
                    // A new version alone does not wake this stream, so the newest plan is read here.
                    let newest = plans.borrow().clone();
                    if let Some(planned) = newest {
                        live.session.publish(now(), &planned);
                    }
                    own.handle(&mut live, message);
                }
                Ok(None) | Err(_) => live.ended = true,
            },
            changed = plans.changed() => {
                let planned = plans.borrow_and_update().clone();
                match planned.filter(|_| changed.is_ok()) {
                    Some(planned) => live.session.publish(now(), &planned),
                    None => live.ended = changed.is_err(),
                }
            }
            _ = vm_pods.changed() => live.session.check_pods(now()),
            outcome = review_outcome(&mut live.review) => live.session.reviewed(now(), outcome),
            () = until(live.session.wake_at()) => live.session.wake(now()),
            evicted = &mut own.registered.evicted => {
                own.end_with(own.eviction_status(evicted.ok()));
                live.ended = true;
            }
            _ = own.role.changed() => {
                // Another replica leads, and writes what agents report.
                if own.role.borrow_and_update().redirects(since) {
                    live.session.leave(RECONNECT_SPREAD);
                }
            }
            _ = own.stopping.changed() => live.session.leave(RECONNECT_SPREAD),
            () = own.outbox.closed() => live.ended = true,
        }
    }
    own.close();
}

impl AgentStream {
    fn handle(&self, live: &mut StreamContext, message: wire::FromAgent) {
        if !live.session.admits_message(now()) {
            let reason = "TooManyMessages";
            self.end_with(Status::resource_exhausted(format!("{reason}: the agent sent too many messages")));
            live.ended = true;
            return;
        }
        match codec::agent::from_proto(message) {
            Ok(message) => live.session.handle(now(), message),
            // A newer agent may send messages that this version does not know.
            Err(error) => debug!(node = %self.agent.node, %error, "message ignored"),
        }
    }

    fn perform(&self, live: &mut StreamContext, task: SessionTask) {
        match task {
            SessionTask::Send(message) => self.send(live, message),
            SessionTask::ReviewToken(token) => {
                let (reviewer, agent) = (Arc::clone(&self.reviewer), self.agent.clone());
                let (sender, outcome) = oneshot::channel();
                tokio::spawn(async move {
                    // An error means that the stream has ended.
                    let _ = sender.send(outcome_for(reviewer.review(&token, None).await, &agent));
                });
                live.review = Some(outcome);
            }
            SessionTask::RefusedMove { vm, class, refusal } => {
                self.record_refused_move(vm, &class, &refusal);
            }
            SessionTask::End(end) => {
                self.end_with(status(&end));
                live.ended = true;
            }
        }
    }

    fn send(&self, live: &mut StreamContext, message: FromController<Bytes>) {
        // The queue is full only if the agent does not read.
        if self.outbox.try_send(Box::new(Ok(codec::controller::to_proto(message)))).is_err() {
            live.ended = true;
        }
    }

    /// Records an Event about the launcher pod of a VM that was not moved.
    fn record_refused_move(&self, uid: String, class: &str, refusal: &Nack) {
        let message =
            format!("not moved to class {class}: {}. The move is retried every 30 seconds", refusal.message);
        let event = ConditionEvent::warning(&refusal.reason, &message);
        let (recorder, class) = (Arc::clone(&self.recorder), reference::<EntropyClass>(class));
        let node = self.agent.node.clone();
        tokio::spawn(async move { recorder.record_for_vm(&node, &uid, &class, event).await });
    }

    /// Whether the node may have another line in the log.
    fn may_log(&self) -> bool {
        self.limits.admit(&self.agent.node, Expense::LogLine, now())
    }

    /// The status for a stream that was evicted for this reason, or replaced by a newer one.
    fn eviction_status(&self, denied: Option<AuthError>) -> Status {
        let (node, pod) = (&*self.agent.node, &*self.agent.pod);
        let Some(refusal) = denied.map(|denied| denied.to_nack()) else {
            if self.may_log() {
                info!(node, pod, "stream replaced by a newer one of the node");
            }
            return Status::aborted("a newer stream of this node has replaced this one");
        };
        info!(node, pod, reason = refusal.reason, message = refusal.message, "ending the stream");
        Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message))
    }

    fn end_with(&self, status: Status) {
        let _ = self.outbox.try_send(Box::new(Err(status)));
    }

    fn close(&self) {
        if self.registry.deregister(&self.agent.node, &self.registered) {
            self.state.set_disconnected(&self.agent.node);
            if self.may_log() {
                info!(node = %self.agent.node, "agent disconnected");
            }
        }
    }
}

/// The outcome of the pending review; never returns if there is none.
async fn review_outcome(review: &mut Option<oneshot::Receiver<ReviewOutcome>>) -> ReviewOutcome {
    match review {
        Some(pending) => {
            let outcome = pending.await.unwrap_or(ReviewOutcome::Unavailable);
            *review = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

/// A token that is presented again must be of the same pod.
fn outcome_for(result: ReviewResult, agent: &AgentIdentity) -> ReviewOutcome {
    match result {
        ReviewResult::Good(reviewed) if reviewed == *agent => ReviewOutcome::Accepted,
        ReviewResult::Good(_) => ReviewOutcome::Denied(AuthError::OtherAgent.to_nack()),
        ReviewResult::Denied(refusal) => ReviewOutcome::Denied(refusal),
        ReviewResult::NotMade | ReviewResult::TooMany => ReviewOutcome::Unavailable,
    }
}

fn status(end: &StreamEnd) -> Status {
    let reason = end.reason();
    match end {
        StreamEnd::NotSubscribed => {
            Status::failed_precondition(format!("{reason}: the first message of an agent must be subscribe"))
        }
        StreamEnd::ForeignNode { node } => Status::permission_denied(format!(
            "{reason}: the token belongs to another node, not to {node}: set --node to the name of its own node"
        )),
        StreamEnd::Silent => Status::deadline_exceeded(format!("{reason}: the agent did not answer updates")),
        StreamEnd::NoToken => {
            Status::unauthenticated(format!("{reason}: the agent did not present its token again"))
        }
        StreamEnd::Denied(refusal) => Status::unauthenticated(format!("{reason}: {}", refusal.message)),
        StreamEnd::Leaving => Status::unavailable(format!("{reason}: this replica is stopping")),
    }
}

async fn until(at: Option<Tick>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_nanos(at.since(now()))).await,
        None => std::future::pending().await,
    }
}
