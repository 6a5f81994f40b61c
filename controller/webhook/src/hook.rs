//! The three hooks and where they are served.

use serde_json::Value;

use crate::review::{AdmissionRequest, Cluster, Decision};
use crate::{class_change, instance, pod, validate};

/// One of the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Mutates `virt-launcher` pods that are made, and judges another class that is written on one.
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

    /// The word that logs and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Instance => "instance",
            Self::Validate => "validate",
        }
    }

    pub(crate) fn decide(self, asked: &AdmissionRequest, cluster: &Cluster<'_>) -> Decision {
        let object = asked.object.as_ref().unwrap_or(&Value::Null);
        let decided = match self {
            Self::Pod => match &asked.old_object {
                None => pod::mutate(object, &asked.namespace, cluster),
                Some(old) => class_change::review(asked, old, cluster),
            },
            Self::Instance => instance::mutate(object, &asked.namespace, cluster),
            Self::Validate => validate::validate(asked, cluster),
        };
        decided.unwrap_or_else(Decision::Refused)
    }
}
