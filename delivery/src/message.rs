//! The messages of both sides, as plain types.

use std::fmt::{self, Debug, Formatter};

use crate::report::Report;
use crate::resource_set::{EncodedResource, Hash, Inventory, ResourceName};
use crate::version::Version;
use clock::Span;

/// A message from an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromAgent {
    /// Its node and what it holds. Sent first, and again whenever an update does not match what it holds.
    Subscribe(AgentSubscription),
    /// The update is in effect, but for the pools that are refused: each is as it was before, with its classes, or not
    /// served if it is new.
    Ack { nonce: u64, refused: Vec<PoolRefusal> },
    /// The update is not in effect.
    Nack { nonce: u64, refusal: Nack },
    /// The state of the node.
    Report(Report),
    /// Its token, for reauthentication.
    Token(BearerToken),
    /// The result of a move.
    Moved { ticket: u64, result: Result<(), Nack> },
}

/// A message from a controller. `B` is the encoded body of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromController<B> {
    /// Resources that have changed.
    Update(Update<B>),
    /// The pod of a VM names another class.
    Move(Move),
    /// The agent must send its token again.
    Authenticate,
    /// The stream is about to end.
    Goodbye {
        /// Agents reconnect after a random part of this time.
        spread: Span,
    },
}

/// The subscription of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentSubscription {
    /// The node of the agent.
    pub node: String,
    pub agent_version: String,
    /// What it can do beyond what every agent can.
    pub capabilities: Vec<String>,
    /// The version of the configuration in effect.
    pub version: Version,
    /// The resources in effect.
    pub held: Inventory,
}

/// The difference between the resources that an agent holds and those that it should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<B> {
    /// Increases within a stream.
    pub nonce: u64,
    /// The version of the configuration.
    pub version: Version,
    /// The digest of what the agent must hold for the update to apply.
    pub base: Hash,
    /// New and changed resources.
    pub changed: Vec<(ResourceName, EncodedResource<B>)>,
    pub removed: Vec<ResourceName>,
    /// The controller has relisted the kinds of which the agent had seen newer versions.
    pub listed: bool,
}

/// Why something was refused: a reason for logs, metrics and conditions, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    pub reason: String,
    /// What was wrong, where, and what would be right.
    pub message: String,
}

impl Nack {
    /// The agent runs a newer version than that of the update.
    pub const OLDER_REASON: &'static str = "Older";

    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

/// A pool that an agent cannot apply. It stops no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRefusal {
    pub pool: String,
    pub refusal: Nack,
}

/// An instruction to move a VM to another class of its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Repeated in the answer.
    pub ticket: u64,
    /// As reported by the agent.
    pub uid: String,
    /// Empty for the default class of the pool.
    pub class: String,
}

/// A bearer token. It is a secret and cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token, to review or send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for BearerToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}
