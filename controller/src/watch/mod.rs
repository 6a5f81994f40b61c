//! Following the API server: what is there, and up to which version that is known.

mod follow;
mod kind;
mod kubevirt;
mod seen;
mod slim;

pub use follow::{Follow, Relist};
pub use kind::Kind;
pub use kubevirt::{KubeVirt, Plugin};
pub use seen::{Object, Seen};
pub use slim::{
    SlimAgent, SlimAgentSpec, SlimDriver, SlimDriverSpec, SlimNamespace, SlimNode, SlimNodeStatus, SlimPod,
};
