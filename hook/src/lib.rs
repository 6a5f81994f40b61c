//! A hook sidecar for `KubeVirt` up to 1.8: it has a VM's random number generator ask the pool's socket.
//!
//! `virt-launcher` calls it twice for each start and once more on the target of a migration, always with its own XML;
//! what it answers depends on nothing else. It refuses to know pools and classes: the socket in the pod is the
//! pool's. Start with [`run`].
#![forbid(unsafe_code)]

mod args;
mod define;
mod run;
mod service;

pub use args::Args;
pub use define::{DefineError, define};
pub use run::{RunError, run};
