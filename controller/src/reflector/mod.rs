//! Reflectors: each lists and watches one kind, and reports up to which version it is known.

mod kind;
mod kubevirt;
mod object;
mod partial;
mod reflector;

pub use kind::WatchKind;
pub use kubevirt::{KubeVirt, Plugin};
pub use object::{Object, ReflectorEvent};
pub use partial::{
    PartialAgentPod, PartialAgentPodSpec, PartialCsiDriver, PartialCsiDriverSpec, PartialNamespace,
    PartialNode, PartialNodeStatus, PartialPod,
};
pub use reflector::{Reflector, Relist};
