//! The hooks of `webhook`, served to the API server, and the objects by which it finds them.

mod body;
mod handler;
mod metrics;
mod register;
mod server;

pub(crate) use handler::AdmissionHandler;
pub(crate) use metrics::AdmissionMetrics;
pub(crate) use register::run as register;
pub(crate) use server::bind;
