//! Reflectors: each lists and watches one kind, and reports up to which version it is known.

mod kind;
mod kubevirt;
mod list_watch;
mod object;
mod partial;

pub use kind::WatchKind;
pub use kubevirt::{KubeVirt, Plugin};
pub use list_watch::{Reflector, Relist};
pub use object::{ReflectorEvent, WatchedObject};
pub use partial::{
    PartialAgentPod, PartialAgentPodSpec, PartialContainer, PartialCsiDriver, PartialCsiDriverSpec,
    PartialNamespace, PartialNode, PartialNodeStatus, PartialPod, PartialPodSpec, PartialResources,
};
