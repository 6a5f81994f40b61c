//! The input and the result of a hook's decision.

use serde::Deserialize;
use serde_json::Value;

use crate::denial::Denial;
use crate::injection_method::InjectionMethod;
use crate::patch::Patch;
use crate::pool_index::{ClassSlot, PoolIndex};

/// The request of an `AdmissionReview`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AdmissionRequest {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) object: Option<Value>,
    pub(crate) old_object: Option<Value>,
}

/// The state of the cluster that a decision depends on.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    pub pools: &'a PoolIndex,
    pub injection: &'a InjectionMethod,
    /// Whether all slots of a class are taken, on the given node or on every node. Called only for counted slots.
    pub full: &'a dyn Fn(&ClassSlot, Option<&str>) -> bool,
}

impl Cluster<'_> {
    /// The warning about a class without a free slot.
    pub(crate) fn warning(&self, slot: &ClassSlot) -> Option<String> {
        let ClassSlot { pool, class: Some(class), resource: Some(_) } = slot else { return None };
        (self.full)(slot, None).then(|| {
            format!(
                "class {class} of pool {pool} has no free slot on any node; the VM waits until there is one"
            )
        })
    }
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq)]
pub enum AdmissionDecision {
    /// The object is allowed with these changes; the user reads the warnings.
    Allowed {
        patch: Patch,
        warnings: Vec<String>,
    },
    Refused(Denial),
}

impl AdmissionDecision {
    pub(crate) fn unchanged() -> Self {
        Self::Allowed { patch: Patch::default(), warnings: Vec::new() }
    }
}
