//! The controller's half of one stream.
//!
//! Told what it hears ([`Publisher::hear`]), what the node should run ([`Publisher::publish`]) and the time, it says
//! what to do next ([`Publisher::poll`]) until there is nothing left to do before [`Publisher::wake_at`].
//!
//! One update is under way at a time; what changes meanwhile goes in the next one. An update holds what differs from
//! what the agent said it holds, so an agent that missed something cannot be misled: the digest it must start from
//! is in the update.

mod identity;
mod listing;
mod offer;

use std::collections::VecDeque;
use std::sync::Arc;

use self::identity::Identity;
use self::offer::{Offering, Wish};
use crate::content::Content;
use crate::message::{FromAgent, FromController, Move, Refusal, Token};
use crate::report::Report;
use crate::tick::{Span, Tick};
use crate::version::{Kind, Version};

pub use self::identity::Verdict;

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
pub enum Task<B> {
    /// Send this.
    Send(FromController<B>),
    /// The agent has seen something newer of these kinds: list them consistently, [`publish`](Publisher::publish)
    /// what comes of it, and then say [`listed`](Publisher::listed). Said once a subscription: try until it is done, at
    /// most once a second for all agents together.
    List(Vec<Kind>),
    /// Have this token reviewed, and say what came of it by [`reviewed`](Publisher::reviewed).
    Review(Token),
    /// The node stands so.
    Note(Report),
    /// A move is done, or not.
    Moved {
        /// The move's.
        ticket: u64,
        /// What became of it.
        result: Result<(), Refusal>,
    },
    /// End the stream. Nothing comes after it.
    End(End),
}

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
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
    Denied(Refusal),
    /// This replica goes.
    Leaving,
}

impl End {
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
pub enum Standing {
    /// It has not said what it holds, or there is nothing to hold yet.
    Unknown,
    /// It runs what it should.
    Programmed,
    /// It does not run what it should, yet.
    Behind,
    /// It refuses what it should run.
    Refused(Refusal),
}

/// The controller's half of one stream. `B` is the encoded body of a resource, cheap to clone.
#[derive(Debug)]
pub struct Publisher<B> {
    node: String,
    opened: Tick,
    identity: Identity,
    offering: Offering<B>,
    tasks: VecDeque<Task<B>>,
    ended: bool,
}

impl<B: Clone> Publisher<B> {
    /// Of a stream whose first token was found good at `now`, and named `node`.
    pub fn new(now: Tick, node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            opened: now,
            identity: Identity::new(now),
            offering: Offering::default(),
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
    pub fn standing(&self) -> Standing {
        self.offering.standing()
    }

    /// What the node should run, and what that was made from. A version that is new alone sends nothing.
    pub fn publish(&mut self, version: Version, content: Arc<Content<B>>) {
        self.offering.publish(Wish { version, content });
    }

    /// The lists that were asked for are done, and what came of them is published.
    pub fn listed(&mut self) {
        self.offering.listed();
    }

    /// Has a VM of the node moved.
    pub fn move_vm(&mut self, order: Move) {
        self.tasks.push_back(Task::Send(FromController::Move(order)));
    }

    /// This replica goes: the agent is told to come back within `spread`, and the stream ends.
    pub fn leave(&mut self, spread: Span) {
        self.tasks.push_back(Task::Send(FromController::Goodbye { spread }));
        self.end(End::Leaving);
    }

    /// What came of a [`Task::Review`].
    pub fn reviewed(&mut self, now: Tick, verdict: Verdict) {
        if let Some(refusal) = self.identity.reviewed(now, verdict) {
            self.end(End::Denied(refusal));
        }
    }

    /// The agent said this.
    pub fn hear(&mut self, now: Tick, message: FromAgent) {
        match message {
            FromAgent::Subscribe(agent) if agent.node != self.node => {
                self.end(End::ForeignNode { said: agent.node });
            }
            FromAgent::Subscribe(agent) => self.offering.subscribe(agent),
            FromAgent::Ack { nonce } => self.offering.ack(nonce),
            FromAgent::Nack { nonce, refusal } => self.offering.nack(nonce, refusal),
            FromAgent::Report(report) => self.tasks.push_back(Task::Note(report)),
            FromAgent::Token(token) if self.identity.shown(now) => {
                self.tasks.push_back(Task::Review(token));
            }
            // Nobody asked for it: every review costs a call.
            FromAgent::Token(_) => {}
            FromAgent::Moved { ticket, result } => self.tasks.push_back(Task::Moved { ticket, result }),
        }
    }

    /// What to do next; nothing until something is heard, published or said, or it is [`wake_at`](Self::wake_at).
    pub fn poll(&mut self, now: Tick) -> Option<Task<B>> {
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
        let subscribe = self.offering.agent().is_none().then(|| self.opened.plus(SUBSCRIBE_WITHIN));
        [subscribe, self.identity.wake_at(), self.offering.wake_at()].into_iter().flatten().min()
    }

    fn due(&mut self, now: Tick) {
        if self.offering.agent().is_none() && now >= self.opened.plus(SUBSCRIBE_WITHIN) {
            return self.end(End::NotSubscribed);
        }
        match self.identity.due(now) {
            identity::Due::Nothing => {}
            identity::Due::Ask => self.tasks.push_back(Task::Send(FromController::Authenticate)),
            identity::Due::End => return self.end(End::NoToken),
        }
        match self.offering.due(now) {
            offer::Due::Nothing => {}
            offer::Due::Send(update) => {
                self.tasks.push_back(Task::Send(FromController::Update(update)));
            }
            offer::Due::List(kinds) => self.tasks.push_back(Task::List(kinds)),
            offer::Due::End => self.end(End::Silent),
        }
    }

    fn end(&mut self, end: End) {
        if !self.ended {
            self.ended = true;
            self.tasks.push_back(Task::End(end));
        }
    }
}
