//! Following the API server: what is there, and up to which version that is known.

mod kind;
mod kubevirt;
mod partial;
mod reflector;
mod reflector_event;

pub use kind::WatchKind;
pub use kubevirt::{KubeVirt, Plugin};
pub use partial::{
    PartialAgentPod, PartialAgentPodSpec, PartialCsiDriver, PartialCsiDriverSpec, PartialNamespace,
    PartialNode, PartialNodeStatus, PartialPod,
};
pub use reflector::{Reflector, Relist};
pub use reflector_event::{Object, ReflectorEvent};
