//! What stands on Node objects: whether an agent serves there, and how many VMs of each class it takes.

mod clean;
mod desired;
mod patch;
mod reconciler;

pub(crate) use clean::clean;
pub(crate) use reconciler::run;
