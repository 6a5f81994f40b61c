//! One agent's stream: drives the publisher of `delivery`, which makes all decisions, with real messages and timers.

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
use plan::NodeReport;
use proto::delivery as wire;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::class_moves::ClassMoves;
use super::node_limits::{Expense, NodeLimits};
use super::node_vms::MAX_VMS;
use super::report::AgentReport;
use super::stream_registry::{RegisteredStream, StreamRegistry};
use crate::ca::{ReviewResult, TokenReviewer};
use crate::clock::{self, tick as now};
use crate::leader_election::Leadership;
use crate::reflector::WatchKind;
use crate::state::{PublishedPlan, SharedState};
use crate::status::{ConditionEvent, EventRecorder, reference};

/// When this replica stops, its agents reconnect spread over this time.
const RECONNECT_SPREAD: Span = Span::seconds(3);

/// Events that were too many at once are tried again after this time.
const TELL_AGAIN: Span = Span::seconds(10);

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

/// The state of a running stream.
struct StreamContext {
    publisher: Publisher<Bytes>,
    report: AgentReport,
    /// Limits the agent's messages.
    limiter: RateLimiter,
    /// The kinds that are relisted for this agent, with the number of lists before.
    awaited_lists: BTreeMap<WatchKind, u64>,
    moves: ClassMoves,
    /// The plan that was published last. Weak, so that thousands of streams do not keep old plans alive.
    planned: Weak<PublishedPlan>,
    config: Option<Arc<NodeConfig>>,
    /// The pending review of a token that the agent presented again.
    review: Option<oneshot::Receiver<ReviewOutcome>>,
    /// What the last stored node report was made from.
    reported: Option<ReportInput>,
    /// When conditions and orphaned VMs that were too many changes at once are told.
    tell_at: Option<Tick>,
    ended: bool,
}

/// What a node report is made from: while it is equal, the report is equal.
#[derive(PartialEq)]
struct ReportInput {
    changes: u64,
    ack_state: AckState,
    // Equal configurations of two plans are shared, so this mostly compares pointers.
    config: Option<Arc<NodeConfig>>,
}

/// Runs a stream until it ends.
pub(super) async fn run_stream(mut own: AgentStream, mut inbox: Streaming<wire::FromAgent>) {
    let since = clock::since_start();
    let mut live = StreamContext {
        publisher: Publisher::new(now(), own.agent.node.clone()),
        report: AgentReport::default(),
        limiter: RateLimiter::default(),
        awaited_lists: BTreeMap::new(),
        moves: ClassMoves::default(),
        planned: Weak::new(),
        config: None,
        review: None,
        reported: None,
        tell_at: None,
        ended: false,
    };
    let mut plans = own.state.plan.subscribe();
    let mut vm_pods = own.state.vm_pods.subscribe();
    plans.mark_changed();
    while !live.ended {
        while let Some(task) = live.publisher.poll(now()) {
            own.perform(&mut live, task);
        }
        own.store_report(&mut live);
        if live.ended {
            break;
        }
        tokio::select! {
            message = inbox.message() => match message {
                Ok(Some(message)) => {
                    // A new version alone does not wake this stream, so the newest plan is read here.
                    let newest = plans.borrow().clone();
                    if let Some(planned) = newest {
                        own.publish(&mut live, &planned);
                    }
                    own.handle(&mut live, message);
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
            _ = vm_pods.changed() => own.check_pods(&mut live),
            () = until(live.moves.wake_at()) => own.check_pods(&mut live),
            () = until(live.tell_at) => (live.tell_at, live.reported) = (None, None),
            outcome = review_outcome(&mut live.review) => live.publisher.reviewed(now(), outcome),
            () = until(live.publisher.wake_at()) => {}
            evicted = &mut own.registered.evicted => {
                own.end_with(own.eviction_status(evicted.ok()));
                live.ended = true;
            }
            _ = own.role.changed() => {
                // Another replica leads, and writes what agents report.
                if own.role.borrow_and_update().redirects(since) {
                    live.publisher.leave(RECONNECT_SPREAD);
                }
            }
            _ = own.stopping.changed() => live.publisher.leave(RECONNECT_SPREAD),
            () = own.outbox.closed() => live.ended = true,
        }
    }
    own.close();
}

impl AgentStream {
    fn handle(&self, live: &mut StreamContext, message: wire::FromAgent) {
        if !live.limiter.admit(MESSAGES, now()) {
            if self.may_log() {
                warn!(node = %self.agent.node, "agent sent too many messages; ending the stream");
            }
            let reason = "TooManyMessages";
            self.end_with(Status::resource_exhausted(format!("{reason}: the agent sent too many messages")));
            live.ended = true;
            return;
        }
        match codec::agent::from_proto(message) {
            Ok(message) => live.publisher.handle(now(), message),
            // A newer agent may send messages that this version does not know.
            Err(error) => debug!(node = %self.agent.node, %error, "message ignored"),
        }
    }

    fn publish(&self, live: &mut StreamContext, planned: &Arc<PublishedPlan>) {
        if std::ptr::eq(live.planned.as_ptr(), Arc::as_ptr(planned)) {
            return;
        }
        live.planned = Arc::downgrade(planned);
        let config = planned.plan.nodes.get(&self.agent.node).map(Arc::clone);
        if config != live.config {
            live.config = config;
            self.check_pods(live);
        }
        if let Some(content) = planned.resources.get(&self.agent.node) {
            live.publisher.publish(planned.version(), Arc::clone(content));
            let awaited = !live.awaited_lists.is_empty();
            live.awaited_lists
                .retain(|kind, before| planned.lists.get(kind).is_none_or(|lists| lists <= before));
            if awaited && live.awaited_lists.is_empty() {
                live.publisher.listed();
            }
        }
    }

    fn perform(&self, live: &mut StreamContext, task: PublisherTask<Bytes>) {
        match task {
            PublisherTask::Send(message) => self.send(live, message),
            PublisherTask::Relist(kinds) => self.relist(live, &kinds),
            PublisherTask::ReviewToken(token) => {
                let (reviewer, agent) = (Arc::clone(&self.reviewer), self.agent.clone());
                let (sender, outcome) = oneshot::channel();
                tokio::spawn(async move {
                    // An error means that the stream has ended.
                    let _ = sender.send(outcome_for(reviewer.review(&token, None).await, &agent));
                });
                live.review = Some(outcome);
            }
            PublisherTask::Report(report) => {
                live.report.merge(report);
                if live.report.vms.take_overflowed() && self.may_log() {
                    warn!(node = %self.agent.node, most = MAX_VMS, "agent reports more VMs than a node can have");
                }
                self.check_pods(live);
            }
            PublisherTask::Moved { ticket, result } => {
                if let Err(refusal) = result
                    && let Some((vm, class)) = live.moves.refused(now(), ticket)
                {
                    if self.may_log() {
                        let Nack { reason, message } = &refusal;
                        warn!(node = %self.agent.node, vm, class, reason, message, "VM not moved");
                    }
                    if self.limits.admit(&self.agent.node, Expense::RefusedMove, now()) {
                        self.record_refused_move(vm, class, &refusal);
                    }
                }
            }
            PublisherTask::End(end) => {
                if self.may_log() {
                    info!(node = %self.agent.node, reason = end.reason(), "ending the stream");
                }
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

    fn relist(&self, live: &mut StreamContext, kinds: &[delivery::WatchedKind]) {
        let requested =
            WatchKind::ALL.into_iter().filter(|kind| kind.delivered().is_some_and(|it| kinds.contains(&it)));
        for kind in requested {
            live.awaited_lists.insert(kind, self.state.store().progress(kind).lists);
            self.state.relist(kind).request();
        }
        if self.may_log() {
            let kinds = live.awaited_lists.keys();
            info!(node = %self.agent.node, ?kinds, "agent has a newer version; relisting");
        }
    }

    /// Combines the agent's report on its VMs with their pods: counts slots, and moves VMs to the classes they name.
    fn check_pods(&self, live: &mut StreamContext) {
        {
            let store = self.state.store();
            let empty = NodeConfig::default();
            let config = live.config.as_deref().unwrap_or(&empty);
            live.report.recount(config, |uid, class| store.has_slot(uid, class));
        }
        self.send_moves(live);
    }

    /// Moves the VMs whose pods name another class than they are in.
    fn send_moves(&self, live: &mut StreamContext) {
        let store = self.state.store();
        let vms = live.report.vms.iter();
        let desired = |uid: &str| store.vm_class(uid).filter(|class| !class.is_empty());
        for due in live.moves.due(now(), vms, desired) {
            live.publisher.move_vm(due);
        }
    }

    /// Records an Event about the launcher pod of a VM that was not moved.
    fn record_refused_move(&self, uid: &str, class: &str, refusal: &Nack) {
        let message =
            format!("not moved to class {class}: {}. The move is retried every 30 seconds", refusal.message);
        let event = ConditionEvent::warning(&refusal.reason, &message);
        let (recorder, class) = (Arc::clone(&self.recorder), reference::<EntropyClass>(class));
        let (node, uid) = (self.agent.node.clone(), uid.to_owned());
        tokio::spawn(async move { recorder.record_for_vm(&node, &uid, &class, event).await });
    }

    /// Stores the node's report if it has changed.
    fn store_report(&self, live: &mut StreamContext) {
        let (ack_state, config) = (live.publisher.ack_state(), live.config.clone());
        let input = ReportInput { changes: live.report.changes(), ack_state, config };
        if live.reported.as_ref() != Some(&input) {
            let empty = NodeConfig::default();
            let config = input.config.as_deref().unwrap_or(&empty);
            let report = live.report.node_report(&input.ack_state, config);
            let (report, tell_at) = self.with_bounded_events(report);
            live.tell_at = tell_at;
            self.state.set_report(&self.agent.node, report);
            live.reported = Some(input);
        }
    }

    /// Conditions and orphaned VMs make Events. If they change too often they stay as they were told before, and are told
    /// at the returned time.
    fn with_bounded_events(&self, mut report: NodeReport) -> (NodeReport, Option<Tick>) {
        let told = {
            let reports = self.state.node_reports();
            let told = reports.get(&self.agent.node).map(|told| (&told.conditions, &told.orphaned));
            let differs = told.filter(|told| *told != (&report.conditions, &report.orphaned));
            differs.map(|(conditions, orphaned)| (conditions.clone(), orphaned.clone()))
        };
        let Some((conditions, orphaned)) = told else { return (report, None) };
        if self.limits.admit(&self.agent.node, Expense::Event, now()) {
            return (report, None);
        }
        (report.conditions, report.orphaned) = (conditions, orphaned);
        (report, Some(now() + TELL_AGAIN))
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
