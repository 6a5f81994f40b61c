//! Label and extended resources of Node objects: the state of the node's agent, and the slots of each class.

mod desired;
mod patch;
mod reconciler;

pub use patch::NodePatch;
pub(crate) use reconciler::run;
pub use reconciler::{DisconnectedSince, due_patches};
