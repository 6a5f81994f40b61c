//! What a node is told, and how: [`NodeConfig`] as plain types, and both halves of the conversation that brings it.
//!
//! The planner writes a configuration, the agent applies it; both sides agree on nothing else. This crate refuses to
//! know Kubernetes, protobuf, sockets or clocks: time is an argument, and what is to be done comes back as a value.
//! Start with [`NodeConfig`]; for the conversation with [`Publisher`], the controller's half of one stream, and
//! [`Subscriber`], the agent's.
//!
//! A node's configuration holds pools, classes and the namespaces that may use each. It never holds virtual
//! machines: the agent learns those on the node (from the kubelet, a libvirt hook or the local API).
#![forbid(unsafe_code)]

mod config;
mod content;
pub mod limits;
mod message;
mod parts;
pub mod publisher;
mod report;
pub mod reporter;
pub mod subscriber;
mod tick;
pub mod trust;
mod version;

pub use config::{
    Admission, BytesPerDay, ClassConfig, Fairness, HealthTest, NamespaceBound, Namespaces, NodeConfig,
    OnSourceFailure, Output, PoolConfig, Shape, SourceConfig, SourceKind,
};
pub use content::{Content, Delta, Hash, Inventory, Item, Name, digest};
pub use message::{FromAgent, FromController, Move, Refusal, Subscription, Token, Update};
pub use parts::{AssembleError, Part, assemble, parts};
pub use publisher::Publisher;
pub use report::{
    AgentState, ClassUse, Condition, Health, Report, Serving, SourceState, Supplies, Supply, Usage, Vm, Vms,
    VmsReport,
};
pub use reporter::{NodeState, Reporter};
pub use subscriber::Subscriber;
pub use tick::{Span, Tick};
pub use version::{Kind, Version};
