//! One agent's stream: the publisher decides, this carries.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::clock::RateLimiter;
use api::EntropyClass;
use codec::Bytes;
use delivery::agent_auth::{AgentIdentity, AuthError};
use delivery::limits::MESSAGES;
use delivery::publisher::{AckState, PublisherTask, ReviewOutcome, StreamEnd};
use delivery::{FromController, Nack, NodeConfig, Publisher, Span, Tick};
use proto::delivery as wire;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::class_moves::ClassMoves;
use super::report::AgentReport;
use super::service::Said;
use super::stream_registry::{RegisteredStream, StreamRegistry};
use crate::ca::{ReviewResult, TokenReviewer};
use crate::clock::{self, tick as now};
use crate::leader_election::Leadership;
use crate::reflector::WatchKind;
use crate::state::{PublishedPlan, SharedState};
use crate::status::{ConditionEvent, EventRecorder, reference};

/// When this replica goes, its agents come back spread over this time.
const SPREAD: Span = Span::seconds(3);

/// What one stream has.
pub(super) struct AgentStream {
    pub(super) world: Arc<SharedState>,
    pub(super) reviewer: Arc<TokenReviewer>,
    pub(super) hub: Arc<StreamRegistry>,
    pub(super) herald: Arc<EventRecorder>,
    pub(super) place: RegisteredStream,
    pub(super) role: watch::Receiver<Leadership>,
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) agent: AgentIdentity,
    pub(super) outbox: mpsc::Sender<Box<Said>>,
}

/// What one stream knows besides.
struct StreamContext {
    publisher: Publisher<Bytes>,
    said: AgentReport,
    /// How much the agent may say.
    limiter: RateLimiter,
    /// Kinds that are being listed anew for this agent, with how often they had been before.
    awaited: BTreeMap<WatchKind, u64>,
    moves: ClassMoves,
    /// What was published last, and what of it the node runs. It may be gone: thousands of streams would keep many plans
    /// of the past.
    planned: Weak<PublishedPlan>,
    config: Option<Arc<NodeConfig>>,
    /// The review of a token that was shown again.
    review: Option<oneshot::Receiver<ReviewOutcome>>,
    /// What was last told of the node, and what that came from.
    noted: Option<Noted>,
    ended: bool,
}

/// From what a node's report is made: while none of it changes, the report would come out the same.
#[derive(PartialEq)]
struct Noted {
    said: u64,
    standing: AckState,
    // Of two plans, equal configurations are the same one.
    config: Option<Arc<NodeConfig>>,
}

/// Carries a stream until it ends.
pub(super) async fn run_stream(mut own: AgentStream, mut inbox: Streaming<wire::FromAgent>) {
    let since = clock::since_start();
    let mut live = StreamContext {
        publisher: Publisher::new(now(), own.agent.node.clone()),
        said: AgentReport::default(),
        limiter: RateLimiter::default(),
        awaited: BTreeMap::new(),
        moves: ClassMoves::default(),
        planned: Weak::new(),
        config: None,
        review: None,
        noted: None,
        ended: false,
    };
    let mut plans = own.world.plan.subscribe();
    let mut moves = own.world.moves.subscribe();
    plans.mark_changed();
    while !live.ended {
        while let Some(task) = live.publisher.poll(now()) {
            own.perform(&mut live, task);
        }
        own.note(&mut live);
        if live.ended {
            break;
        }
        tokio::select! {
            message = inbox.message() => match message {
                Ok(Some(message)) => {
                    // What was planned since may be of a newer version alone.
                    let newest = plans.borrow().clone();
                    if let Some(planned) = newest {
                        own.publish(&mut live, &planned);
                    }
                    own.hear(&mut live, message);
                }
                Ok(None) | Err(_) => live.ended = true,
            },
            changed = plans.changed() => {
                let planned = plans.borrow_and_update().clone();
                match planned.filter(|_| changed.is_ok()) {
                    Some(planned) => own.publish(&mut live, &planned),
                    None => live.ended = changed.is_err(),
                }
            }
            _ = moves.changed() => own.look_at_pods(&mut live),
            () = until(live.moves.wake_at()) => own.look_at_pods(&mut live),
            verdict = verdict_of(&mut live.review) => live.publisher.reviewed(now(), verdict),
            () = until(live.publisher.wake_at()) => {}
            lost = &mut own.place.lost => {
                own.refuse(own.ousted(lost.ok()));
                live.ended = true;
            }
            _ = own.role.changed() => {
                // Another leads, and writes what agents report.
                if own.role.borrow_and_update().sends_away(since) {
                    live.publisher.leave(SPREAD);
                }
            }
            _ = own.leaving.changed() => live.publisher.leave(SPREAD),
            () = own.outbox.closed() => live.ended = true,
        }
    }
    own.close();
}

impl AgentStream {
    fn hear(&self, live: &mut StreamContext, message: wire::FromAgent) {
        if !live.limiter.admit(MESSAGES, now()) {
            warn!(node = %self.agent.node, "the agent says more than an agent has to say");
            self.refuse(Status::resource_exhausted("TooManyMessages: come back slower"));
            live.ended = true;
            return;
        }
        match codec::agent::from_proto(message) {
            Ok(message) => live.publisher.handle(now(), message),
            // What a newer agent says beyond us is no fault of its.
            Err(error) => debug!(node = %self.agent.node, %error, "a message is passed over"),
        }
    }

    fn publish(&self, live: &mut StreamContext, planned: &Arc<PublishedPlan>) {
        if std::ptr::eq(live.planned.as_ptr(), Arc::as_ptr(planned)) {
            return;
        }
        live.planned = Arc::downgrade(planned);
        live.config = planned.plan.nodes.get(&self.agent.node).map(Arc::clone);
        if let Some(content) = planned.contents.get(&self.agent.node) {
            live.publisher.publish(planned.version(), Arc::clone(content));
            let awaited = !live.awaited.is_empty();
            live.awaited.retain(|kind, before| planned.lists.get(kind).is_none_or(|lists| lists <= before));
            if awaited && live.awaited.is_empty() {
                live.publisher.listed();
            }
        }
    }

    fn perform(&self, live: &mut StreamContext, task: PublisherTask<Bytes>) {
        match task {
            PublisherTask::Send(message) => self.send(live, message),
            PublisherTask::Relist(kinds) => self.list(live, &kinds),
            PublisherTask::ReviewToken(token) => {
                let (reviewer, agent) = (Arc::clone(&self.reviewer), self.agent.clone());
                let (tell, told) = oneshot::channel();
                tokio::spawn(async move {
                    // The stream may have ended meanwhile.
                    let _ = tell.send(verdict(reviewer.review(&token).await, &agent));
                });
                live.review = Some(told);
            }
            PublisherTask::Report(report) => {
                live.said.hear(report);
                self.look_at_pods(live);
            }
            PublisherTask::Moved { ticket, result } => {
                if let Err(refusal) = result
                    && let Some((vm, class)) = live.moves.refused(now(), ticket)
                {
                    warn!(node = %self.agent.node, vm, class, reason = %refusal.reason, message = %refusal.message, "a VM was not moved");
                    self.tell_pod(vm, class, &refusal);
                }
            }
            PublisherTask::End(end) => {
                info!(node = %self.agent.node, reason = end.reason(), "the stream ends");
                self.refuse(status(&end));
                live.ended = true;
            }
        }
    }

    fn send(&self, live: &mut StreamContext, message: FromController<Bytes>) {
        // An agent that reads nothing is as good as gone.
        if self.outbox.try_send(Box::new(Ok(codec::controller::to_proto(message)))).is_err() {
            live.ended = true;
        }
    }

    fn list(&self, live: &mut StreamContext, kinds: &[delivery::WatchedKind]) {
        let ours =
            WatchKind::ALL.into_iter().filter(|kind| kind.delivered().is_some_and(|it| kinds.contains(&it)));
        for kind in ours {
            live.awaited.insert(kind, self.world.index().progress(kind).lists);
            self.world.relist(kind).request();
        }
        info!(node = %self.agent.node, kinds = ?live.awaited.keys(), "the agent has seen newer: listing anew");
    }

    /// What the VMs' pods say counts as much as what the agent says of them.
    fn look_at_pods(&self, live: &mut StreamContext) {
        {
            let index = self.world.index();
            live.said.count(|uid| index.vm_class(uid).is_some());
        }
        self.order_moves(live);
    }

    /// Has those VMs moved whose pod names another class than the one they are in.
    fn order_moves(&self, live: &mut StreamContext) {
        let index = self.world.index();
        let vms = live.said.vms.iter().map(|(uid, vm)| (uid.as_str(), vm.class.as_str()));
        let wanted = |uid: &str| index.vm_class(uid).filter(|class| !class.is_empty());
        for due in live.moves.due(now(), vms, wanted) {
            live.publisher.move_vm(due);
        }
    }

    /// Has the pod of a VM that was not moved say so.
    fn tell_pod(&self, uid: &str, class: &str, refusal: &Nack) {
        let sentence =
            format!("not moved to class {class}: {}. It is tried again each half minute", refusal.message);
        let news = ConditionEvent::warning(&refusal.reason, &sentence);
        let (herald, class) = (Arc::clone(&self.herald), reference::<EntropyClass>(class));
        let (node, uid) = (self.agent.node.clone(), uid.to_owned());
        tokio::spawn(async move { herald.tell_vm(&node, &uid, &class, news).await });
    }

    /// Tells what is known of the node now.
    fn note(&self, live: &mut StreamContext) {
        let (standing, config) = (live.publisher.ack_state(), live.config.clone());
        let noted = Noted { said: live.said.changes(), standing, config };
        if live.noted.as_ref() != Some(&noted) {
            let none = NodeConfig::default();
            let report = live.said.node(&noted.standing, noted.config.as_deref().unwrap_or(&none));
            self.world.report(&self.agent.node, report);
            live.noted = Some(noted);
        }
    }

    /// Why another stream has this one's place, or nobody.
    fn ousted(&self, denied: Option<AuthError>) -> Status {
        let (node, pod) = (&*self.agent.node, &*self.agent.pod);
        let Some(refusal) = denied.map(|denied| denied.to_nack()) else {
            info!(node, pod, "a newer stream of the node took this one's place");
            return Status::aborted("another stream of this node came later");
        };
        info!(node, pod, reason = refusal.reason, message = refusal.message, "the stream ends");
        Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message))
    }

    fn refuse(&self, status: Status) {
        let _ = self.outbox.try_send(Box::new(Err(status)));
    }

    fn close(&self) {
        if self.hub.leave(&self.agent.node, &self.place) {
            self.world.lost(&self.agent.node);
            info!(node = %self.agent.node, "an agent is gone");
        }
    }
}

/// What comes of the review that is under way, if one is.
async fn verdict_of(review: &mut Option<oneshot::Receiver<ReviewOutcome>>) -> ReviewOutcome {
    match review {
        Some(told) => {
            let verdict = told.await.unwrap_or(ReviewOutcome::Unavailable);
            *review = None;
            verdict
        }
        None => std::future::pending().await,
    }
}

/// A token that is shown again must be of the very same pod.
fn verdict(reviewed: ReviewResult, agent: &AgentIdentity) -> ReviewOutcome {
    match reviewed {
        ReviewResult::Good(shown) if shown == *agent => ReviewOutcome::Accepted,
        ReviewResult::Good(_) => ReviewOutcome::Denied(AuthError::OtherAgent.to_nack()),
        ReviewResult::Denied(refusal) => ReviewOutcome::Denied(refusal),
        ReviewResult::NotMade => ReviewOutcome::Unavailable,
    }
}

fn status(end: &StreamEnd) -> Status {
    let reason = end.reason();
    match end {
        StreamEnd::NotSubscribed => {
            Status::failed_precondition(format!("{reason}: an agent speaks first, with subscribe"))
        }
        StreamEnd::ForeignNode { node } => Status::permission_denied(format!(
            "{reason}: the token belongs to another node, not to {node}: set --node to the name of its own node"
        )),
        StreamEnd::Silent => Status::deadline_exceeded(format!("{reason}: updates were not answered")),
        StreamEnd::NoToken => Status::unauthenticated(format!("{reason}: the token was not shown again")),
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
