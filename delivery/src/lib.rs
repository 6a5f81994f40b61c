//! The configuration of a node, [`NodeConfig`], as plain types, and both halves of the protocol that delivers it.
//!
//! The planner writes a configuration and the agent applies it. This crate does not know Kubernetes, protobuf, sockets
//! or clocks: time is an argument, and actions are returned as values. Start with [`NodeConfig`]; for the protocol, with
//! [`Publisher`], the controller's half of a stream, and [`Subscriber`], the agent's half.
//!
//! A configuration has pools, classes and the namespaces that may use each. It never has virtual machines: the agent
//! learns of those on the node, from the kubelet, a libvirt hook or the local API.
#![forbid(unsafe_code)]

pub mod agent_auth;
mod config;
pub mod limits;
mod message;
pub mod publisher;
mod report;
pub mod report_debouncer;
mod resource;
mod resource_set;
pub mod subscriber;
mod version;

pub use clock::{Span, Tick};
pub use config::{
    Admission, BytesPerDay, ClassConfig, Fairness, HealthTest, NamespaceBound, Namespaces, NodeConfig,
    OnSourceFailure, Output, PoolConfig, Shape, SourceConfig, SourceKind,
};
pub use message::{
    AgentSubscription, BearerToken, FromAgent, FromController, Move, Nack, PoolRefusal, Update,
};
pub use publisher::Publisher;
pub use report::{
    AgentCondition, AgentState, AlarmReport, ClassUse, Report, ServingState, SourceReport, SourceState,
    SupplyReport, SupplyReports, Usage, VmReport, Vms, VmsReport,
};
pub use report_debouncer::{NodeState, ReportDebouncer};
pub use resource::{AssembleError, Resource, assemble, split};
pub use resource_set::{Delta, EncodedResource, Hash, Inventory, ResourceName, ResourceSet, digest, pool_of};
pub use subscriber::Subscriber;
pub use version::{Version, WatchedKind};
