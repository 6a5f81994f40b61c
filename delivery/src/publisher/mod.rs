//! The controller's half of one stream.
//!
//! Told what it hears ([`Publisher::hear`]), what the node should run ([`Publisher::publish`]) and the time, it says
//! what to do next ([`Publisher::poll`]) until there is nothing left to do before [`Publisher::wake_at`].
//!
//! One update is under way at a time; what changes meanwhile goes in the next one. An update holds what differs from
//! what the agent said it holds, so an agent that missed something cannot be misled: the digest it must start from
//! is in the update.

mod reauth;
mod relist;
mod update_state;

use std::collections::VecDeque;
use std::sync::Arc;

use self::reauth::Reauth;
use self::update_state::{Desired, UpdateState};
use crate::message::{FromAgent, FromController, Move, Nack, Token};
use crate::report::Report;
use crate::resource_set::ResourceSet;
use crate::version::{Version, WatchedKind};
use clock::{Span, Tick};

pub use self::reauth::ReviewOutcome;

/// An agent speaks first; one that does not is hung up on.
pub const SUBSCRIBE_WITHIN: Span = Span::seconds(10);
/// An update that is not answered is sent again.
pub const ANSWER_WITHIN: Span = Span::seconds(5);
/// An update that was sent so often without an answer is the last.
pub const TRIES: u32 = 3;
/// A token is good for so long; then it is to be shown again.
pub const AUTHENTICATE_EVERY: Span = Span::seconds(300);
/// An agent that was asked for its token has so long.
pub const TOKEN_WITHIN: Span = Span::seconds(30);
/// A token that could not be reviewed is asked for again after so long.
pub const REVIEW_AGAIN: Span = Span::seconds(15);

/// What a publisher wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublisherTask<B> {
    /// Send this.
    Send(FromController<B>),
    /// The agent has seen something newer of these kinds: list them consistently, [`publish`](Publisher::publish)
    /// what comes of it, and then say [`listed`](Publisher::listed). Said once a subscription: try until it is done, at
    /// most once a second for all agents together.
    List(Vec<WatchedKind>),
    /// Have this token reviewed, and say what came of it by [`reviewed`](Publisher::reviewed).
    Review(Token),
    /// The node stands so.
    Note(Report),
    /// A move is done, or not.
    Moved {
        /// The move's.
        ticket: u64,
        /// What became of it.
        result: Result<(), Nack>,
    },
    /// End the stream. Nothing comes after it.
    End(StreamEnd),
}

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The agent did not subscribe.
    NotSubscribed,
    /// It subscribed for another node than its token names.
    ForeignNode {
        /// What it said.
        said: String,
    },
    /// It does not answer updates.
    Silent,
    /// It did not show its token again.
    NoToken,
    /// Its token is no longer good.
    Denied(Nack),
    /// This replica goes.
    Leaving,
}

impl StreamEnd {
    /// One word for logs and metrics.
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

/// How far an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckState {
    /// It has not said what it holds, or there is nothing to hold yet.
    Unknown,
    /// It runs what it should.
    Programmed,
    /// It does not run what it should, yet.
    Behind,
    /// It refuses what it should run.
    Refused(Nack),
}

/// The controller's half of one stream. `B` is the encoded body of a resource, cheap to clone.
#[derive(Debug)]
pub struct Publisher<B> {
    node: String,
    opened: Tick,
    identity: Reauth,
    offering: UpdateState<B>,
    tasks: VecDeque<PublisherTask<B>>,
    ended: bool,
}

impl<B: Clone> Publisher<B> {
    /// Of a stream whose first token was found good at `now`, and named `node`.
    pub fn new(now: Tick, node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            opened: now,
            identity: Reauth::new(now),
            offering: UpdateState::default(),
            tasks: VecDeque::new(),
            ended: false,
        }
    }

    /// The node that the token named.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The agent's own version, as soon as it has said so.
    pub fn agent_version(&self) -> Option<&str> {
        self.offering.agent().map(|agent| agent.agent_version.as_str())
    }

    /// How far the agent is.
    pub fn ack_state(&self) -> AckState {
        self.offering.standing()
    }

    /// What the node should run, and what that was made from. A version that is new alone sends nothing.
    pub fn publish(&mut self, version: Version, content: Arc<ResourceSet<B>>) {
        self.offering.publish(Desired { version, content });
    }

    /// The lists that were asked for are done, and what came of them is published.
    pub fn listed(&mut self) {
        self.offering.listed();
    }

    /// Has a VM of the node moved.
    pub fn move_vm(&mut self, order: Move) {
        self.tasks.push_back(PublisherTask::Send(FromController::Move(order)));
    }

    /// This replica goes: the agent is told to come back within `spread`, and the stream ends.
    pub fn leave(&mut self, spread: Span) {
        self.tasks.push_back(PublisherTask::Send(FromController::Goodbye { spread }));
        self.end(StreamEnd::Leaving);
    }

    /// What came of a [`Task::Review`].
    pub fn reviewed(&mut self, now: Tick, verdict: ReviewOutcome) {
        if let Some(refusal) = self.identity.reviewed(now, verdict) {
            self.end(StreamEnd::Denied(refusal));
        }
    }

    /// The agent said this.
    pub fn handle(&mut self, now: Tick, message: FromAgent) {
        match message {
            FromAgent::Subscribe(agent) if agent.node != self.node => {
                self.end(StreamEnd::ForeignNode { said: agent.node });
            }
            FromAgent::Subscribe(agent) => self.offering.subscribe(agent),
            FromAgent::Ack { nonce } => self.offering.ack(nonce),
            FromAgent::Nack { nonce, refusal } => self.offering.nack(nonce, refusal),
            FromAgent::Report(report) => self.tasks.push_back(PublisherTask::Note(report)),
            FromAgent::Token(token) if self.identity.shown(now) => {
                self.tasks.push_back(PublisherTask::Review(token));
            }
            // Nobody asked for it: every review costs a call.
            FromAgent::Token(_) => {}
            FromAgent::Moved { ticket, result } => {
                self.tasks.push_back(PublisherTask::Moved { ticket, result })
            }
        }
    }

    /// What to do next; nothing until something is heard, published or said, or it is [`wake_at`](Self::wake_at).
    pub fn poll(&mut self, now: Tick) -> Option<PublisherTask<B>> {
        if self.tasks.is_empty() && !self.ended {
            self.due(now);
        }
        self.tasks.pop_front()
    }

    /// When to poll again, should nothing happen before.
    pub fn wake_at(&self) -> Option<Tick> {
        if self.ended {
            return None;
        }
        let subscribe = self.offering.agent().is_none().then(|| self.opened + SUBSCRIBE_WITHIN);
        [subscribe, self.identity.wake_at(), self.offering.wake_at()].into_iter().flatten().min()
    }

    fn due(&mut self, now: Tick) {
        if self.offering.agent().is_none() && now >= self.opened + SUBSCRIBE_WITHIN {
            return self.end(StreamEnd::NotSubscribed);
        }
        match self.identity.due(now) {
            reauth::ReauthDue::Nothing => {}
            reauth::ReauthDue::Ask => self.tasks.push_back(PublisherTask::Send(FromController::Authenticate)),
            reauth::ReauthDue::End => return self.end(StreamEnd::NoToken),
        }
        match self.offering.due(now) {
            update_state::UpdateDue::Nothing => {}
            update_state::UpdateDue::Send(update) => {
                self.tasks.push_back(PublisherTask::Send(FromController::Update(update)));
            }
            update_state::UpdateDue::List(kinds) => self.tasks.push_back(PublisherTask::List(kinds)),
            update_state::UpdateDue::End => self.end(StreamEnd::Silent),
        }
    }

    fn end(&mut self, end: StreamEnd) {
        if !self.ended {
            self.ended = true;
            self.tasks.push_back(PublisherTask::End(end));
        }
    }
}
