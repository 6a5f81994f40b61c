//! The controller at a real API server.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod edits;
mod faults;
mod kubectl;
mod metrics;
mod rights;
mod webhooks;
