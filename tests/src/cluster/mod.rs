//! A real Kubernetes, as far as a test needs it: start with [`ApiServer::shared`].

mod apiserver;
mod audit;
mod tools;

pub use apiserver::{ApiServer, Part};
pub use audit::Call;
pub use tools::programs;
