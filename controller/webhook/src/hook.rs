//! The three hooks and where they are served.

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::review::{Asked, Verdict};
use crate::way::Way;
use crate::{instance, pod, validate};

/// One of the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Mutates `virt-launcher` pods.
    Pod,
    /// Mutates `VirtualMachineInstance`s.
    Instance,
    /// Validates `VirtualMachine`s and `VirtualMachineInstance`s.
    Validate,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pod, Self::Instance, Self::Validate];

    /// The path it is served at.
    pub fn path(self) -> &'static str {
        match self {
            Self::Pod => "/mutate/pods",
            Self::Instance => "/mutate/virtualmachineinstances",
            Self::Validate => "/validate/virtualmachines",
        }
    }

    pub(crate) fn decide(self, asked: &Asked, catalogue: &Catalogue, way: &Way) -> Verdict {
        let object = asked.object.as_ref().unwrap_or(&Value::Null);
        let decided = match self {
            Self::Pod => pod::mutate(object, &asked.namespace, catalogue, way),
            Self::Instance => instance::mutate(object, &asked.namespace, catalogue, way),
            Self::Validate => validate::validate(asked, catalogue, way),
        };
        decided.unwrap_or_else(Verdict::Refused)
    }
}
