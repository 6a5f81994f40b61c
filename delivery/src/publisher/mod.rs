//! The controller's half of a stream.
//!
//! From the agent's messages ([`Publisher::handle`]), what the node should run ([`Publisher::publish`]) and the time, it
//! derives what to do next ([`Publisher::poll`]), until there is nothing to do before [`Publisher::wake_at`].
//!
//! There is one update at a time; later changes go into the next one. An update is the difference from the set that
//! the agent holds, and contains the digest of that set, so that an agent that holds another set does not apply it.

mod reauth;
mod update_state;

use std::collections::VecDeque;
use std::sync::Arc;

use self::reauth::Reauth;
use self::update_state::{Desired, UpdateState};
use crate::message::{BearerToken, FromAgent, FromController, Move, Nack};
use crate::report::Report;
use crate::resource_set::ResourceSet;
use crate::version::{Version, WatchedKind};
use clock::{Span, Tick};

pub use self::reauth::{REAUTH_INTERVAL, REVIEW_RETRY_INTERVAL, ReviewOutcome, TOKEN_TIMEOUT};
pub use self::update_state::{ACK_TIMEOUT, AckState, MAX_ATTEMPTS};

/// The time within which an agent must subscribe.
pub const SUBSCRIBE_TIMEOUT: Span = Span::seconds(10);

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublisherTask<B> {
    Send(FromController<B>),
    /// The agent has seen newer versions of these kinds: list them consistently,
    /// [`publish`](Publisher::publish) the result and call [`listed`](Publisher::listed). Requested once per
    /// subscription: repeat until it succeeds, at most once a second for all agents together.
    Relist(Vec<WatchedKind>),
    /// Review this token and call [`reviewed`](Publisher::reviewed).
    ReviewToken(BearerToken),
    Report(Report),
    /// The result of a move.
    Moved {
        ticket: u64,
        result: Result<(), Nack>,
    },
    /// End the stream. It is the last task.
    End(StreamEnd),
}

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The agent did not subscribe.
    NotSubscribed,
    /// The agent subscribed for another node than that of its token.
    ForeignNode { node: String },
    /// The agent does not answer updates.
    Silent,
    /// The agent did not send its token again.
    NoToken,
    /// The token is no longer valid.
    Denied(Nack),
    /// This replica is stopping or no longer leads.
    Leaving,
}

impl StreamEnd {
    /// The reason in logs and metrics.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotSubscribed => "NotSubscribed",
            Self::ForeignNode { .. } => "ForeignNode",
            Self::Silent => "Silent",
            Self::NoToken => "NoToken",
            Self::Denied(refusal) => &refusal.reason,
            Self::Leaving => "Leaving",
        }
    }
}

/// The controller's half of a stream. `B` is the encoded body of a resource, which must be cheap to clone.
#[derive(Debug)]
pub struct Publisher<B> {
    node: String,
    opened: Tick,
    reauth: Reauth,
    update_state: UpdateState<B>,
    tasks: VecDeque<PublisherTask<B>>,
    ended: bool,
}

impl<B: Clone> Publisher<B> {
    /// The publisher of a stream whose token was accepted at `now` and names `node`.
    pub fn new(now: Tick, node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            opened: now,
            reauth: Reauth::new(now),
            update_state: UpdateState::default(),
            tasks: VecDeque::new(),
            ended: false,
        }
    }

    /// The node that the token names.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The version of the agent, once it has subscribed.
    pub fn agent_version(&self) -> Option<&str> {
        self.update_state.agent().map(|agent| agent.agent_version.as_str())
    }

    pub fn ack_state(&self) -> AckState {
        self.update_state.ack_state()
    }

    /// Sets what the node should run, and its version. A new version alone sends nothing.
    pub fn publish(&mut self, version: Version, content: Arc<ResourceSet<B>>) {
        self.update_state.publish(Desired { version, content });
    }

    /// Reports that the requested kinds are listed and the result is published.
    pub fn listed(&mut self) {
        self.update_state.listed();
    }

    /// Instructs the agent to move a VM.
    pub fn move_vm(&mut self, order: Move) {
        self.tasks.push_back(PublisherTask::Send(FromController::Move(order)));
    }

    /// Ends the stream, after telling the agent to reconnect within `spread`.
    pub fn leave(&mut self, spread: Span) {
        self.tasks.push_back(PublisherTask::Send(FromController::Goodbye { spread }));
        self.end(StreamEnd::Leaving);
    }

    /// Reports the result of a [`PublisherTask::ReviewToken`].
    pub fn reviewed(&mut self, now: Tick, outcome: ReviewOutcome) {
        if let Some(refusal) = self.reauth.reviewed(now, outcome) {
            self.end(StreamEnd::Denied(refusal));
        }
    }

    /// Handles a message from the agent.
    pub fn handle(&mut self, now: Tick, message: FromAgent) {
        match message {
            FromAgent::Subscribe(agent) if agent.node != self.node => {
                self.end(StreamEnd::ForeignNode { node: agent.node });
            }
            FromAgent::Subscribe(agent) => self.update_state.subscribe(agent),
            FromAgent::Ack { nonce, refused } => self.update_state.ack(nonce, refused),
            FromAgent::Nack { nonce, refusal } => self.update_state.nack(nonce, refusal),
            FromAgent::Report(report) => self.tasks.push_back(PublisherTask::Report(report)),
            FromAgent::Token(token) if self.reauth.token_received(now) => {
                self.tasks.push_back(PublisherTask::ReviewToken(token));
            }
            // It was not requested, and a review costs a call to the API server.
            FromAgent::Token(_) => {}
            FromAgent::Moved { ticket, result } => {
                self.tasks.push_back(PublisherTask::Moved { ticket, result });
            }
        }
    }

    /// The next task; `None` until another method is called or [`wake_at`](Self::wake_at) is reached.
    pub fn poll(&mut self, now: Tick) -> Option<PublisherTask<B>> {
        if self.tasks.is_empty() && !self.ended {
            self.due(now);
        }
        self.tasks.pop_front()
    }

    /// When to poll again if nothing happens before.
    pub fn wake_at(&self) -> Option<Tick> {
        if self.ended {
            return None;
        }
        let subscribe = self.update_state.agent().is_none().then(|| self.opened + SUBSCRIBE_TIMEOUT);
        [subscribe, self.reauth.wake_at(), self.update_state.wake_at()].into_iter().flatten().min()
    }

    fn due(&mut self, now: Tick) {
        if self.update_state.agent().is_none() && now >= self.opened + SUBSCRIBE_TIMEOUT {
            return self.end(StreamEnd::NotSubscribed);
        }
        match self.reauth.due(now) {
            reauth::ReauthDue::Nothing => {}
            reauth::ReauthDue::RequestToken => {
                self.tasks.push_back(PublisherTask::Send(FromController::Authenticate));
            }
            reauth::ReauthDue::End => return self.end(StreamEnd::NoToken),
        }
        match self.update_state.due(now) {
            update_state::UpdateDue::Nothing => {}
            update_state::UpdateDue::Send(update) => {
                self.tasks.push_back(PublisherTask::Send(FromController::Update(update)));
            }
            update_state::UpdateDue::List(kinds) => self.tasks.push_back(PublisherTask::Relist(kinds)),
            update_state::UpdateDue::End => self.end(StreamEnd::Silent),
        }
    }

    fn end(&mut self, reason: StreamEnd) {
        if !self.ended {
            self.ended = true;
            self.tasks.push_back(PublisherTask::End(reason));
        }
    }
}
