//! The controller at a real API server.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod byzantine;
mod documented;
mod edits;
mod events;
mod faults;
mod grpc_client;
mod kubectl;
mod lifecycle;
mod metrics;
mod nodes;
mod replicas;
mod rights;
mod rotation;
mod scenario;
mod slots;
mod stolen_token;
mod storage;
mod tls;
mod tokens;
mod versions;
mod webhooks;
mod work_clock;
