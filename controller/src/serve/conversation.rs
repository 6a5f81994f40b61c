//! One agent's stream: the publisher decides, this carries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codec::Bytes;
use delivery::limits::{MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Pace};
use delivery::publisher::{End, Task, Verdict};
use delivery::trust::{Denied, Identity};
use delivery::{FromController, Move, Publisher, Span, Tick};
use proto::delivery as wire;
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::hub::{Hub, Place};
use super::report::Said;
use crate::clock::{self, tick as now};
use crate::lease::Role;
use crate::trust::{Reviewed, Reviewer};
use crate::watch::Kind;
use crate::world::{Planned, World};

/// When this replica goes, its agents come back spread over this time.
const SPREAD: Span = Span::seconds(3);

/// What one stream has.
pub(super) struct Conversation {
    pub(super) world: Arc<World>,
    pub(super) reviewer: Arc<Reviewer>,
    pub(super) hub: Arc<Hub>,
    pub(super) place: Place,
    pub(super) role: watch::Receiver<Role>,
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) agent: Identity,
    pub(super) outbox: mpsc::Sender<Result<wire::FromController, Status>>,
}

/// What one stream knows besides.
struct Live {
    publisher: Publisher<Bytes>,
    said: Said,
    /// How much the agent may say.
    pace: Pace,
    /// Kinds that are being listed anew for this agent, with how often they had been before.
    awaited: BTreeMap<Kind, u64>,
    /// Moves that were sent, by uid: the class that was asked for. One that was refused is not asked for again.
    moves: BTreeMap<String, (u64, String)>,
    tickets: u64,
    ended: bool,
}

/// Carries a stream until it ends.
pub(super) async fn converse(mut own: Conversation, mut inbox: Streaming<wire::FromAgent>) {
    let since = clock::since_start();
    let mut live = Live {
        publisher: Publisher::new(now(), own.agent.node.clone()),
        said: Said::default(),
        pace: Pace::new(now(), MESSAGES_PER_SECOND, MESSAGES_AT_ONCE),
        awaited: BTreeMap::new(),
        moves: BTreeMap::new(),
        tickets: 0,
        ended: false,
    };
    let mut plans = own.world.plan.subscribe();
    let mut moves = own.world.moves.subscribe();
    plans.mark_changed();
    let (verdicts, mut reviewed) = mpsc::channel(1);
    while !live.ended {
        while let Some(task) = live.publisher.poll(now()) {
            own.perform(&mut live, task, &verdicts);
        }
        own.note(&live);
        if live.ended {
            break;
        }
        tokio::select! {
            message = inbox.message() => match message {
                Ok(Some(message)) => own.hear(&mut live, message),
                Ok(None) | Err(_) => live.ended = true,
            },
            changed = plans.changed() => {
                let planned = plans.borrow_and_update().clone();
                match planned.filter(|_| changed.is_ok()) {
                    Some(planned) => own.publish(&mut live, &planned),
                    None => live.ended = changed.is_err(),
                }
            }
            _ = moves.changed() => own.order_moves(&mut live),
            Some(verdict) = reviewed.recv() => live.publisher.reviewed(now(), verdict),
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

impl Conversation {
    fn hear(&self, live: &mut Live, message: wire::FromAgent) {
        if !live.pace.admit(now()) {
            warn!(node = %self.agent.node, "the agent says more than an agent has to say");
            self.refuse(Status::resource_exhausted("TooManyMessages: come back slower"));
            live.ended = true;
            return;
        }
        match codec::agent::of_wire(message) {
            Ok(message) => live.publisher.hear(now(), message),
            // What a newer agent says beyond us is no fault of its.
            Err(error) => debug!(node = %self.agent.node, %error, "a message is passed over"),
        }
    }

    fn publish(&self, live: &mut Live, planned: &Planned) {
        if let Some(content) = planned.contents.get(&self.agent.node) {
            live.publisher.publish(planned.version(), Arc::clone(content));
            let awaited = !live.awaited.is_empty();
            live.awaited.retain(|kind, before| planned.lists.get(kind).is_none_or(|lists| lists <= before));
            if awaited && live.awaited.is_empty() {
                live.publisher.listed();
            }
        }
    }

    fn perform(&self, live: &mut Live, task: Task<Bytes>, verdicts: &mpsc::Sender<Verdict>) {
        match task {
            Task::Send(message) => self.send(live, message),
            Task::List(kinds) => self.list(live, &kinds),
            Task::Review(token) => {
                let (reviewer, agent, verdicts) =
                    (Arc::clone(&self.reviewer), self.agent.clone(), verdicts.clone());
                tokio::spawn(async move {
                    let verdict = verdict(reviewer.review(&token).await, &agent);
                    // The stream may have ended meanwhile.
                    let _ = verdicts.send(verdict).await;
                });
            }
            Task::Note(report) => {
                live.said.hear(report);
                self.order_moves(live);
            }
            Task::Moved { ticket, result } => {
                if let Err(refusal) = result {
                    let vm = live.moves.iter().find(|(_, (sent, _))| *sent == ticket).map(|(uid, _)| uid);
                    warn!(node = %self.agent.node, vm, reason = %refusal.reason, message = %refusal.message, "a VM was not moved");
                }
            }
            Task::End(end) => {
                info!(node = %self.agent.node, reason = end.reason(), "the stream ends");
                self.refuse(status(&end));
                live.ended = true;
            }
        }
    }

    fn send(&self, live: &mut Live, message: FromController<Bytes>) {
        // An agent that reads nothing is as good as gone.
        if self.outbox.try_send(Ok(codec::controller::to_wire(message))).is_err() {
            live.ended = true;
        }
    }

    fn list(&self, live: &mut Live, kinds: &[delivery::Kind]) {
        let ours =
            Kind::ALL.into_iter().filter(|kind| kind.delivered().is_some_and(|it| kinds.contains(&it)));
        for kind in ours {
            live.awaited.insert(kind, self.world.index().progress(kind).lists);
            self.world.relist(kind).ask();
        }
        info!(node = %self.agent.node, kinds = ?live.awaited.keys(), "the agent has seen newer: listing anew");
    }

    /// Has those VMs moved whose pod names another class than the one they are in.
    fn order_moves(&self, live: &mut Live) {
        let index = self.world.index();
        let wanted = |uid: &str| index.vm_class(uid).filter(|class| !class.is_empty());
        let differs = live.said.vms.iter().filter_map(|(uid, vm)| {
            let class = wanted(uid).filter(|class| *class != vm.class)?;
            let asked = live.moves.get(uid).is_some_and(|(_, asked)| asked == class);
            (!asked).then(|| (uid.clone(), class.to_owned()))
        });
        let differs: Vec<_> = differs.collect();
        live.moves.retain(|uid, (_, class)| wanted(uid) == Some(class) && live.said.vms.contains_key(uid));
        drop(index);
        for (uid, class) in differs {
            live.tickets += 1;
            live.moves.insert(uid.clone(), (live.tickets, class.clone()));
            live.publisher.move_vm(Move { ticket: live.tickets, uid, class });
        }
    }

    /// Tells what is known of the node now.
    fn note(&self, live: &Live) {
        let planned = self.world.plan.borrow().clone();
        let config = planned.as_ref().and_then(|planned| planned.plan.nodes.get(&self.agent.node));
        let none = delivery::NodeConfig::default();
        let index = self.world.index();
        let labelled = |uid: &str| index.vm_class(uid).is_some();
        let report =
            live.said.node(&live.publisher.standing(), config.map_or(&none, |config| config), labelled);
        drop(index);
        self.world.report(&self.agent.node, report);
    }

    /// Why another stream has this one's place, or nobody.
    fn ousted(&self, denied: Option<Denied>) -> Status {
        let (node, pod) = (&*self.agent.node, &*self.agent.pod);
        let Some(refusal) = denied.map(|denied| denied.refusal()) else {
            info!(node, pod, "a newer stream of the node took this one's place");
            return Status::aborted("another stream of this node came later");
        };
        info!(node, pod, reason = refusal.reason, message = refusal.message, "the stream ends");
        Status::unauthenticated(format!("{}: {}", refusal.reason, refusal.message))
    }

    fn refuse(&self, status: Status) {
        let _ = self.outbox.try_send(Err(status));
    }

    fn close(&self) {
        if self.hub.leave(&self.agent.node, &self.place) {
            self.world.lost(&self.agent.node);
            info!(node = %self.agent.node, "an agent is gone");
        }
    }
}

/// A token that is shown again must be of the very same pod.
fn verdict(reviewed: Reviewed, agent: &Identity) -> Verdict {
    match reviewed {
        Reviewed::Good(shown) if shown == *agent => Verdict::Good,
        Reviewed::Good(_) => Verdict::Denied(Denied::OtherAgent.refusal()),
        Reviewed::Denied(refusal) => Verdict::Denied(refusal),
        Reviewed::NotMade => Verdict::NotMade,
    }
}

fn status(end: &End) -> Status {
    let reason = end.reason();
    match end {
        End::NotSubscribed => {
            Status::failed_precondition(format!("{reason}: an agent speaks first, with subscribe"))
        }
        End::ForeignNode { said } => Status::permission_denied(format!(
            "{reason}: the token is not of node {said}: set --node to its own"
        )),
        End::Silent => Status::deadline_exceeded(format!("{reason}: updates were not answered")),
        End::NoToken => Status::unauthenticated(format!("{reason}: the token was not shown again")),
        End::Denied(refusal) => Status::unauthenticated(format!("{reason}: {}", refusal.message)),
        End::Leaving => Status::unavailable(format!("{reason}: this replica is stopping")),
    }
}

async fn until(at: Option<Tick>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_nanos(at.since(now()).0)).await,
        None => std::future::pending().await,
    }
}
