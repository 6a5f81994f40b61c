//! What stands on Node objects: whether an agent serves there, and how many VMs of each class it takes.

mod wanted;
mod writer;

pub(crate) use writer::run;
