//! The parts of status that both kinds have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A spec that broke no rule, and its generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted<Spec> {
    /// The `metadata.generation` of the spec.
    pub generation: i64,
    /// The complete spec.
    pub spec: Spec,
}

/// Numbers of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCount {
    /// The number of nodes that should run the object.
    pub selected: u32,
    /// The number of nodes that run it.
    pub programmed: u32,
}

/// How much of a rate is promised, per node. Unlike rates in a spec, these can be zero: `0/s`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assured {
    /// The sum of all promised rates.
    #[schemars(length(max = 32))]
    pub promised: String,
    /// The rate that can still be promised.
    #[schemars(length(max = 32))]
    pub available: String,
}

// The accepted spec is not validated again: a stricter schema of a later version would otherwise refuse every
// write of the status, and the record of what is in effect would be lost.
pub(crate) fn accepted_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "required": ["generation", "spec"],
        "properties": {
            "generation": {
                "description": "The `metadata.generation` of the spec.",
                "type": "integer",
                "format": "int64",
            },
            "spec": {
                "description": "The complete spec.",
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
            },
        },
    })
}
