//! A real Kubernetes, as far as a test needs it: start with [`ApiServer::shared`] where objects are enough, and with
//! [`Kubernetes::alone`] where pods have to run.

mod agent;
mod api_proxy;
mod apiserver;
mod audit;
mod controller;
mod kubernetes;
mod service;
mod tools;
mod webhooks;

pub use agent::Agent;
pub use api_proxy::{ApiFault, ApiProxy};
pub use apiserver::{ApiServer, Part};
pub use audit::Call;
pub use controller::{CONTROLLER_USER, Controller, HOOK_IMAGE, NAMESPACE, rights};
pub use kubernetes::Kubernetes;
pub use service::Service;
pub use tools::{chart, helm, programs, rendered, said};
