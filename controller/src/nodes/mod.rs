//! What stands on Node objects: whether an agent serves there, and how many VMs of each class it takes.

mod clean;
mod wanted;
mod write;
mod writer;

pub(crate) use clean::clean;
pub(crate) use writer::run;
