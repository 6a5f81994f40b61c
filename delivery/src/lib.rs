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

pub mod agent_auth;
mod config;
pub mod limits;
mod message;
pub mod publisher;
mod report;
pub mod reporter;
mod resource;
mod resource_set;
pub mod subscriber;
mod version;

pub use clock::{Span, Tick};
pub use config::{
    Admission, BytesPerDay, ClassConfig, Fairness, HealthTest, NamespaceBound, Namespaces, NodeConfig,
    OnSourceFailure, Output, PoolConfig, Shape, SourceConfig, SourceKind,
};
pub use message::{FromAgent, FromController, Move, Nack, Subscription, Token, Update};
pub use publisher::Publisher;
pub use report::{
    AgentCondition, AgentState, ClassUse, Report, Serving, SourceHealth, SourceReport, SupplyReport,
    SupplyReports, Usage, VmReport, Vms, VmsReport,
};
pub use reporter::{NodeState, ReportDebouncer};
pub use resource::{AssembleError, Resource, assemble, split};
pub use resource_set::{Delta, EncodedResource, Hash, Inventory, ResourceName, ResourceSet, digest};
pub use subscriber::Subscriber;
pub use version::{Version, WatchedKind};
