//! The controller at a real API server.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod caller;
mod edits;
mod faults;
mod kubectl;
mod life;
mod metrics;
mod nodes;
mod replicas;
mod rights;
mod rotation;
mod scene;
mod stated;
mod storage;
mod tls;
mod tokens;
mod told;
mod turns;
mod versions;
mod webhooks;
