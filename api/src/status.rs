//! What the controller says about both kinds. It never names a VM or a namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, EntropyClassSpec, EntropyPoolSpec, Output, PerNamespace, PerVm, Rate, Size};

/// What runs of an `EntropyPool`, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The `metadata.generation` this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Accepted`, `SourcesHealthy`, `Degraded`, `Programmed` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The last spec that broke no rule. It is what runs, whatever was written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "accepted")]
    pub accepted: Option<Accepted<EntropyPoolSpec>>,

    /// The figures in force, with those that were computed because the spec left them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<PoolEffective>,

    /// Nodes that should run the pool, and that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCount>,

    /// VMs that draw from the pool, on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<u32>,

    /// What is promised of what may be, per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured: Option<Assured>,

    /// The source in the worst state, of all sources on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_source: Option<WorstSource>,

    /// The assessments of the sources, for an auditor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sources: Vec<SourceAssessment>,

    /// What bytes are served as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputStatus>,
}

/// What runs of an `EntropyClass`, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// The `metadata.generation` this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Accepted`, `Programmed` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The last spec that broke no rule. It is what runs, whatever was written since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "accepted")]
    pub accepted: Option<Accepted<EntropyClassSpec>>,

    /// The figures in force, with those that were computed because the spec left them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<ClassEffective>,

    /// Nodes that should run the class, and that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCount>,

    /// VMs that draw from the class, on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<u32>,

    /// What is promised to classes inside this one of what may be, per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured: Option<Assured>,
}

/// A spec that broke no rule, and the generation it had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted<Spec> {
    /// Its `metadata.generation`.
    pub generation: i64,
    /// The spec, whole.
    pub spec: Spec,
}

/// The figures of a pool that are in force, per node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolEffective {
    /// What may be promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What may be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,
    /// What may come at once beyond `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,
    /// What may come at once beyond `ceil`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,
}

/// The figures of a class that are in force, per node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassEffective {
    /// What is assured; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The most that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,
    /// What may come at once beyond `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,
    /// What may come at once beyond `ceil`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,
    /// Bytes a turn of the round robin is worth, derived from `weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantum: Option<u32>,
    /// VMs the class takes; absent: no bound.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    pub max_vms: Option<u32>,
    /// Each VM's figures.
    #[serde(default, rename = "perVM", skip_serializing_if = "Option::is_none")]
    pub per_vm: Option<PerVm>,
    /// Each namespace's figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_namespace: Option<PerNamespace>,
}

/// Nodes that should run an object, and that do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCount {
    /// Nodes that should.
    pub selected: u32,
    /// Nodes that do.
    pub programmed: u32,
}

/// What is promised of what may be, per node. Shown as rates, and unlike those it may be zero: `0/s`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assured {
    /// The sum of what is promised.
    #[schemars(length(max = 32))]
    pub promised: String,
    /// What can still be promised.
    #[schemars(length(max = 32))]
    pub available: String,
}

/// The source in the worst state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorstSource {
    /// Its name in the pool.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its state, in one word.
    #[schemars(length(max = 64))]
    pub state: String,
    /// How many nodes see it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
}

/// What a source's spec says of its assessment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceAssessment {
    /// Its name in the pool.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The assessment, as written.
    #[schemars(length(max = 512))]
    pub assessment: String,
}

/// What bytes are served as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputStatus {
    /// What the spec promises.
    pub promised: Output,
    /// What is served; differs from `promised` only while the pool is degraded.
    pub served: Output,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

// The accepted spec is not checked again: were it, a stricter schema of a later version would refuse every
// write of this status, and with it the memory of what runs.
fn accepted(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "required": ["generation", "spec"],
        "properties": {
            "generation": {
                "description": "Its `metadata.generation`.",
                "type": "integer",
                "format": "int64",
            },
            "spec": {
                "description": "The spec, whole.",
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
            },
        },
    })
}
