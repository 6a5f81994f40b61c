//! What a node is told: `NodeConfig` as plain types.
//!
//! The planner writes it, the agent applies it; both sides agree on nothing else. This crate refuses to know
//! Kubernetes, protobuf or time. Start with [`NodeConfig`].
//!
//! A node's configuration holds pools, classes and the namespaces that may use each. It never holds virtual
//! machines: the agent learns those on the node (from the kubelet, a libvirt hook or the local API).
#![forbid(unsafe_code)]

mod config;

pub use config::{
    Admission, BytesPerDay, ClassConfig, Fairness, HealthTest, NamespaceBound, Namespaces, NodeConfig,
    OnSourceFailure, Output, PoolConfig, Shape, SourceConfig, SourceKind,
};
