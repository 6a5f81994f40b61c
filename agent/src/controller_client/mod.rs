//! The subscription to the node's controller.
//!
//! A thread holds the stream; what to do is decided by `delivery`'s sans-IO subscriber. Configurations are applied through
//! [`Agent::apply`](crate::agent::Agent::apply), and saved by the daemon. Nothing waits for the controller: without one the
//! agent serves the configuration it has.

mod address;
mod connect;
mod driver;
mod readiness;
mod report;
mod subscription;

pub(crate) use address::ControllerAddress;
pub(crate) use connect::ControllerEndpoint;
pub(crate) use driver::{HeldConfig, PersistConfig, attempt, log_refused};
pub(crate) use subscription::SubscriptionThread;
