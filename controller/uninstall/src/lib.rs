//! Before an uninstallation: whether anything still uses entropool, and the removal of what no chart knows of.
//!
//! `helm uninstall` and `kubectl entropool uninstall` do the same, by [`run`]. Only an agent can unpublish the volume of a
//! pod, and a pod does not end before that. So nothing is removed while a VM or a pod needs an agent, unless agents of their
//! own stay for these.
#![forbid(unsafe_code)]

mod controllers;
mod error;
mod leftovers;
mod list;
mod nodes;
mod remaining;
mod steps;
mod usage;
mod users;

pub use error::UninstallError;
pub use steps::{Options, Removed, run};
pub use usage::Usage;
pub use users::read_usage;
