//! A hook sidecar for `KubeVirt` up to 1.8. It connects a VM's random number generator to the socket of its pool.
//!
//! `virt-launcher` calls it twice for each start and again on the target of a migration, each time with the whole XML;
//! the response depends on nothing else. The sidecar does not know pools and classes: there is one socket in the pod.
//! Start with [`run`].
#![forbid(unsafe_code)]

mod args;
mod define;
mod run;
mod service;

pub use args::SidecarArgs;
pub use define::{DefineError, define};
pub use run::{RunError, run};
