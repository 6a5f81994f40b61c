//! One agent's stream without its transport: what follows from the agent's messages, from plans, from pods and from the time.
//! It stores the node's report, and derives what the stream has to do next ([`AgentSession::poll`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ::clock::RateLimiter;
use codec::Bytes;
use delivery::limits::MESSAGES;
use delivery::publisher::{AckState, PublisherTask, ReviewOutcome, StreamEnd};
use delivery::{
    BearerToken, FromAgent, FromController, Nack, NodeConfig, Publisher, Report, Span, Tick, WatchedKind,
};
use plan::NodeReport;
use tracing::{info, warn};

use super::class_moves::ClassMoves;
use super::node_limits::{Expense, NodeLimits};
use super::node_vms::MAX_VMS;
use super::report::AgentReport;
use crate::reflector::WatchKind;
use crate::state::{PublishedPlan, SharedState};

/// Events that were too many at once are tried again after this time.
const TELL_AGAIN: Span = Span::seconds(10);

/// What the stream has to do.
#[derive(Debug)]
pub enum SessionTask {
    Send(FromController<Bytes>),
    /// Review this token and call [`AgentSession::reviewed`].
    ReviewToken(BearerToken),
    /// Record an Event about the pod of a VM that was not moved.
    RefusedMove {
        vm: String,
        class: String,
        refusal: Nack,
    },
    /// End the stream. It is the last task.
    End(StreamEnd),
}

/// The controller's side of one agent's stream.
#[derive(Debug)]
pub struct AgentSession {
    node: String,
    state: Arc<SharedState>,
    limits: Arc<NodeLimits>,
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
    /// What the last stored node report was made from.
    reported: Option<ReportInput>,
    /// When conditions and orphaned VMs that were too many changes at once are told.
    tell_at: Option<Tick>,
}

/// What is kept of an agent's reports, in numbers and in bytes of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionSize {
    pub vms: usize,
    pub pools: usize,
    pub sources: usize,
    pub conditions: usize,
    pub orphaned_classes: usize,
    pub counted_classes: usize,
    pub condition_bytes: usize,
}

/// What a node report is made from: while it is equal, the report is equal.
#[derive(Debug, PartialEq)]
struct ReportInput {
    changes: u64,
    ack_state: AckState,
    // Equal configurations of two plans are shared, so this mostly compares pointers.
    config: Option<Arc<NodeConfig>>,
}

impl AgentSession {
    /// The session of an agent whose token, which names `node`, was accepted at `now`.
    pub fn new(now: Tick, node: &str, state: Arc<SharedState>, limits: Arc<NodeLimits>) -> Self {
        Self {
            node: node.to_owned(),
            state,
            limits,
            publisher: Publisher::new(now, node),
            report: AgentReport::default(),
            limiter: RateLimiter::default(),
            awaited_lists: BTreeMap::new(),
            moves: ClassMoves::default(),
            planned: Weak::new(),
            config: None,
            reported: None,
            tell_at: None,
        }
    }

    /// Whether the agent may send another message now. If not, the stream has to end.
    pub fn admits_message(&mut self, now: Tick) -> bool {
        let admitted = self.limiter.admit(MESSAGES, now);
        if !admitted && self.may_log(now) {
            warn!(node = %self.node, "agent sent too many messages; ending the stream");
        }
        admitted
    }

    /// Handles a message of the agent.
    pub fn handle(&mut self, now: Tick, message: FromAgent) {
        self.publisher.handle(now, message);
    }

    /// Handles the newest plan.
    pub fn publish(&mut self, now: Tick, planned: &Arc<PublishedPlan>) {
        if std::ptr::eq(self.planned.as_ptr(), Arc::as_ptr(planned)) {
            return;
        }
        self.planned = Arc::downgrade(planned);
        let config = planned.plan.nodes.get(&self.node).map(Arc::clone);
        if config != self.config {
            self.config = config;
            self.check_pods(now);
        }
        if let Some(content) = planned.resources.get(&self.node) {
            self.publisher.publish(planned.version(), Arc::clone(content));
            let awaited = !self.awaited_lists.is_empty();
            self.awaited_lists
                .retain(|kind, before| planned.lists.get(kind).is_none_or(|lists| lists <= before));
            if awaited && self.awaited_lists.is_empty() {
                self.publisher.listed();
            }
        }
    }

    /// Reports the result of a [`SessionTask::ReviewToken`].
    pub fn reviewed(&mut self, now: Tick, outcome: ReviewOutcome) {
        self.publisher.reviewed(now, outcome);
    }

    /// Ends the stream, after telling the agent to reconnect within `spread`.
    pub fn leave(&mut self, spread: Span) {
        self.publisher.leave(spread);
    }

    /// The next task; `None` until another method is called or [`wake_at`](Self::wake_at) is reached.
    pub fn poll(&mut self, now: Tick) -> Option<SessionTask> {
        while let Some(task) = self.publisher.poll(now) {
            match task {
                PublisherTask::Send(message) => return Some(SessionTask::Send(message)),
                PublisherTask::ReviewToken(token) => return Some(SessionTask::ReviewToken(token)),
                PublisherTask::Relist(kinds) => self.relist(now, &kinds),
                PublisherTask::Report(report) => self.merge(now, report),
                PublisherTask::Moved { ticket, result } => {
                    let refusal = result.err().and_then(|refusal| self.refused_move(now, ticket, refusal));
                    if refusal.is_some() {
                        return refusal;
                    }
                }
                PublisherTask::End(end) => {
                    if self.may_log(now) {
                        info!(node = %self.node, reason = end.reason(), "ending the stream");
                    }
                    return Some(SessionTask::End(end));
                }
            }
        }
        self.store_report(now);
        None
    }

    /// When to call [`wake`](Self::wake) and to poll again if nothing happens before.
    pub fn wake_at(&self) -> Option<Tick> {
        [self.publisher.wake_at(), self.moves.wake_at(), self.tell_at].into_iter().flatten().min()
    }

    /// Does what is due by the time alone.
    pub fn wake(&mut self, now: Tick) {
        if self.moves.wake_at().is_some_and(|at| at <= now) {
            self.check_pods(now);
        }
        if self.tell_at.is_some_and(|at| at <= now) {
            (self.tell_at, self.reported) = (None, None);
        }
    }

    /// Combines the agent's report on its VMs with their pods: counts slots, and moves VMs to the classes they name.
    pub fn check_pods(&mut self, now: Tick) {
        let state = Arc::clone(&self.state);
        let store = state.store();
        let empty = NodeConfig::default();
        let config = self.config.as_deref().unwrap_or(&empty);
        self.report.recount(config, |uid, class| store.has_slot(uid, class));
        let desired = |uid: &str| store.vm_class(uid).filter(|class| !class.is_empty());
        for due in self.moves.due(now, self.report.vms.iter(), desired) {
            self.publisher.move_vm(due);
        }
    }

    /// What is kept of the agent's reports.
    pub fn size(&self) -> SessionSize {
        self.report.size()
    }

    /// Whether the node may have another line in the log.
    fn may_log(&self, now: Tick) -> bool {
        self.limits.admit(&self.node, Expense::LogLine, now)
    }

    fn merge(&mut self, now: Tick, report: Report) {
        self.report.merge(report);
        if self.report.vms.take_overflowed() && self.may_log(now) {
            warn!(node = %self.node, most = MAX_VMS, "agent reports more VMs than a node can have");
        }
        self.check_pods(now);
    }

    fn refused_move(&mut self, now: Tick, ticket: u64, refusal: Nack) -> Option<SessionTask> {
        let (vm, class) = self.moves.refused(now, ticket)?;
        let (vm, class) = (vm.to_owned(), class.to_owned());
        if self.may_log(now) {
            let Nack { reason, message } = &refusal;
            warn!(node = %self.node, vm, class, reason, message, "VM not moved");
        }
        let admitted = self.limits.admit(&self.node, Expense::RefusedMove, now);
        admitted.then_some(SessionTask::RefusedMove { vm, class, refusal })
    }

    fn relist(&mut self, now: Tick, kinds: &[WatchedKind]) {
        let requested =
            WatchKind::ALL.into_iter().filter(|kind| kind.delivered().is_some_and(|it| kinds.contains(&it)));
        for kind in requested {
            self.awaited_lists.insert(kind, self.state.store().progress(kind).lists);
            self.state.relist(kind).request();
        }
        if self.may_log(now) {
            let kinds = self.awaited_lists.keys();
            info!(node = %self.node, ?kinds, "agent has a newer version; relisting");
        }
    }

    /// Stores the node's report if it has changed.
    fn store_report(&mut self, now: Tick) {
        let (ack_state, config) = (self.publisher.ack_state(), self.config.clone());
        let input = ReportInput { changes: self.report.changes(), ack_state, config };
        if self.reported.as_ref() != Some(&input) {
            let empty = NodeConfig::default();
            let config = input.config.as_deref().unwrap_or(&empty);
            let report = self.report.node_report(&input.ack_state, config);
            let (report, tell_at) = self.with_bounded_events(now, report);
            self.tell_at = tell_at;
            self.state.set_report(&self.node, report);
            self.reported = Some(input);
        }
    }

    /// Conditions and orphaned VMs make Events. If they change too often they stay as they were told before, and are told
    /// at the returned time.
    fn with_bounded_events(&self, now: Tick, mut report: NodeReport) -> (NodeReport, Option<Tick>) {
        let told = {
            let reports = self.state.node_reports();
            let told = reports.get(&self.node).map(|told| (&told.conditions, &told.orphaned));
            let differs = told.filter(|told| *told != (&report.conditions, &report.orphaned));
            differs.map(|(conditions, orphaned)| (conditions.clone(), orphaned.clone()))
        };
        let Some((conditions, orphaned)) = told else { return (report, None) };
        if self.limits.admit(&self.node, Expense::Event, now) {
            return (report, None);
        }
        (report.conditions, report.orphaned) = (conditions, orphaned);
        (report, Some(now + TELL_AGAIN))
    }
}
