//! Label and extended resources of Node objects: the state of the node's agent, and the slots of each class.

mod clean;
mod desired;
mod patch;
mod reconciler;

pub(crate) use clean::clean;
pub(crate) use reconciler::run;
