//! A node's configuration: the sources it comes from ([`Files`], [`Controller`]) and how it reaches the data plane
//! ([`apply`]). What to serve is decided by `plan`, here for a host without Kubernetes and in the controller for a node.

pub(crate) mod apply;
pub(crate) mod config_diff;
mod config_source;
mod controller;
pub(crate) mod error;
mod file_watcher;
mod files;
pub(crate) mod manifest_files;
mod manifest_reader;
pub(crate) mod manifests;
pub(crate) mod orphans;
pub(crate) mod pool_by_pool;
pub(crate) mod sources;

pub(crate) use config_source::{ConfigSource, Persisted};
pub(crate) use controller::Controller;
pub(crate) use files::Files;
