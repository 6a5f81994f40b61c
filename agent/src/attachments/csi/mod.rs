//! How a pod gets its socket: a node service of the Container Storage Interface for ephemeral inline volumes.
//!
//! A volume is the directory that the kubelet names, with `egd.sock` bound in it. Nothing is mounted, so the agent
//! needs no right to mount. [`Volumes`] publishes and unpublishes; [`CsiServer`] serves it to the kubelet.

mod authority;
mod error;
mod pod_directory;
mod request;
mod server;
mod service;
mod target;
mod volumes;

pub use error::{PublishError, UnpublishError};
pub use request::RequestError;
pub use server::{CsiError, CsiOptions, CsiServer};
pub use volumes::{PodHost, PodInfo, Volumes};
