//! What one VM and one namespace hold of a class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Rate, Size};

/// What each VM of a class has for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerVm {
    /// What each VM is assured; needs the class's `rate`. Absent: nothing. Example: `1Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The most each VM is served. Absent: the class's ceil. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// How many bytes a VM may have at once beyond `rate` after a pause. Absent: the larger of 1Ki and what
    /// 10 ms at `rate` bring. Example: `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,

    /// How many bytes a VM may have at once beyond `ceil` after a pause. Absent: the larger of 1Ki and what
    /// 10 ms at `ceil` bring. Example: `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,
}

/// What the VMs of one namespace may hold of a class together, on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerNamespace {
    /// The most that may be assured to one namespace; needs the class's `rate`. Absent: the sum of its VMs'
    /// assured rates. Example: `16Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The most one namespace is served. Absent: the class's ceil. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// How many VMs of one namespace the class takes on a node. Absent: no bound of its own. Example: `10`.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_vms: Option<u32>,
}

impl PerVm {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl PerNamespace {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
