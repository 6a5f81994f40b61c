//! A real Kubernetes, as far as a test needs it: start with [`ApiServer::shared`].

mod apiserver;
mod audit;
mod controller;
mod tools;

pub use apiserver::{ApiServer, Part};
pub use audit::Call;
pub use controller::{Controller, NAMESPACE};
pub use tools::programs;
