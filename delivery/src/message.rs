//! What the two sides say, as plain types.

use std::fmt::{self, Debug, Formatter};

use crate::report::Report;
use crate::resource_set::{EncodedResource, Hash, Inventory, ResourceName};
use crate::version::Version;
use clock::Span;

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromAgent {
    /// Who it is and what it holds; again whenever it has lost step.
    Subscribe(Subscription),
    /// The update of this nonce is in force.
    Ack {
        /// The update's.
        nonce: u64,
    },
    /// The update of this nonce is not in force.
    Nack {
        /// The update's.
        nonce: u64,
        /// Why.
        refusal: Nack,
    },
    /// How the node stands.
    Report(Report),
    /// Who it still is.
    Token(Token),
    /// What became of a move.
    Moved {
        /// The move's.
        ticket: u64,
        /// Whether the VM is in its new class.
        result: Result<(), Nack>,
    },
}

/// What a controller says. `B` is the encoded body of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromController<B> {
    /// What differs.
    Update(Update<B>),
    /// A VM's pod names another class now.
    Move(Move),
    /// The token is to be shown again.
    Authenticate,
    /// The stream is about to end; agents come back spread over this time.
    Goodbye {
        /// At most so much later.
        spread: Span,
    },
}

/// An agent that wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The node it runs on.
    pub node: String,
    /// Its own version.
    pub agent_version: String,
    /// What it can do beside the least.
    pub capabilities: Vec<String>,
    /// What the configuration in force was made from.
    pub version: Version,
    /// What is in force.
    pub held: Inventory,
}

/// What differs between what an agent holds and what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<B> {
    /// Grows within a stream.
    pub nonce: u64,
    /// What the configuration was made from.
    pub version: Version,
    /// The digest of what the agent holds.
    pub base: Hash,
    /// New and changed resources.
    pub changed: Vec<(ResourceName, EncodedResource<B>)>,
    /// Resources that are gone.
    pub removed: Vec<ResourceName>,
    /// The controller has listed anew what the agent had seen newer.
    pub listed: bool,
}

/// Why something was not done: a word for logs, metrics and conditions, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// One word.
    pub reason: String,
    /// What was wrong, where, and what would be right.
    pub message: String,
}

impl Nack {
    /// The agent runs something newer than the update.
    pub const OLDER: &'static str = "Older";

    /// Of a word and a sentence.
    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

/// A VM to be moved to another class of its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// To be repeated in the answer.
    pub ticket: u64,
    /// As the agent reported it.
    pub uid: String,
    /// The class; empty is the pool's default class.
    pub class: String,
}

/// A bearer token. It is a secret: it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes what a file or a peer says.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// For those who check it, or send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
