//! A real Kubernetes, as far as a test needs it: start with [`ApiServer::shared`] where objects are enough, and with
//! [`Kubernetes::alone`] where pods have to run.

mod apiserver;
mod audit;
mod controller;
mod kubernetes;
mod tools;

pub use apiserver::{ApiServer, Part};
pub use audit::Call;
pub use controller::{Controller, NAMESPACE};
pub use kubernetes::Kubernetes;
pub use tools::programs;
