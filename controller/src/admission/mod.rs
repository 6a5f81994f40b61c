//! Serves the hooks of `webhook` to the API server, and writes the CA bundle into the webhook configurations.

mod body;
mod handler;
mod metrics;
mod register;
mod server;

pub(crate) use handler::AdmissionHandler;
pub(crate) use metrics::AdmissionMetrics;
pub(crate) use register::run as register;
pub(crate) use server::bind;
