//! The kind `EntropyPool`: spec and status.
#![expect(clippy::duplicated_attributes, reason = "printer columns repeat their keys")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{labels, object_name, rule_at};
use crate::status::accepted_schema;
use crate::{Accepted, Assured, Condition, NodeCount, PoolNamespaces, Rate, Size, Source};

/// The desired state of the pool. `spec: {}` is valid: such a pool runs on every node, is seeded by the
/// kernel's generator and assures no rates. All figures are per node.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "entropool.io",
    version = "v1alpha1",
    kind = "EntropyPool",
    plural = "entropypools",
    shortname = "epool",
    category = "entropool",
    status = "EntropyPoolStatus",
    derive = "PartialEq",
    doc = "An EntropyPool is a set of sources that serve VMs together on each node that the pool selects.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether VMs are served as promised"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "What is wrong, in one word, or that nothing is"
    ),
    printcolumn(
        name = "Nodes",
        type_ = "integer",
        json_path = ".status.nodes.programmed",
        description = "Nodes that run the pool"
    ),
    printcolumn(name = "VMs", type_ = "integer", json_path = ".status.vms", description = "Attached VMs"),
    printcolumn(
        name = "Promised",
        type_ = "string",
        json_path = ".status.assured.promised",
        description = "The part of the rate that is promised to classes, per node"
    ),
    printcolumn(
        name = "Output",
        type_ = "string",
        json_path = ".status.output.served",
        description = "What the pool serves",
        priority = 1
    ),
    printcolumn(
        name = "Selected",
        type_ = "integer",
        json_path = ".status.nodes.selected",
        description = "Nodes that should run the pool",
        priority = 1
    ),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.assured.available",
        description = "What can still be promised, per node",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "What is wrong, in a sentence",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = pool_rules()))]
pub struct EntropyPoolSpec {
    /// Labels that a node must have for the pool to run on it. Defaults to no labels, which selects all nodes.
    /// Example: `{node.example/trng: "true"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub node_selector: BTreeMap<String, String>,

    /// The sources of the pool, from 1 to 16, with unique names. Defaults to the kernel's generator.
    #[serde(default = "default_sources")]
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sources: Vec<Source>,

    /// What the pool promises about its bytes. `Stretched`: bytes of a generator that is seeded from the
    /// sources, at any rate. `FullEntropy`: 32 bytes for every 320 bits of assessed entropy, so at most what
    /// the sources provide. `Raw`: the bytes of the noise source, health-tested and not conditioned, for
    /// users who take samples away to assess or to condition them: a byte has only the assessed bits, so a guest that
    /// takes it for eight is deceived. `FullEntropy` and `Raw` require a source with `minEntropyPerByte`. Defaults to
    /// `Stretched`.
    #[serde(default)]
    pub output: Output,

    /// The number of sources that must be healthy for the pool to serve what `output` promises, from 1 to 16. For
    /// `FullEntropy` and `Raw` only sources with `minEntropyPerByte` count. Defaults to 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub min_healthy_sources: u8,

    /// What happens when too few sources are healthy. `Hold`: nothing is served, and VMs wait. `Degrade`:
    /// classes with `allowDegraded` are served `Stretched` bytes, which status, an Event and a metric report. A
    /// slow source is not a failed one: VMs wait for it. Defaults to `Hold`.
    #[serde(default)]
    pub on_source_failure: OnSourceFailure,

    /// The rate that can be promised to the classes of the pool, per node, at most what its sources yield.
    /// `FullEntropy` takes an equal share of the 320 bits for 32 bytes from every source of a tier, so N sources yield
    /// N times what the slowest could. Defaults to that yield, or to 64Mi/s if it is not known. Example: `512Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The maximum rate of the pool, per node. Defaults to `rate`. Example: `512Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// The number of bytes that can be served at once in excess of `rate`, after a time of lower use. Defaults
    /// to 10 ms at `rate`, and to at least 1Ki. Example: `4Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,

    /// The number of bytes that can be served at once in excess of `ceil`, after a time of lower use. Defaults
    /// to 10 ms at `ceil`, and to at least 1Ki. Example: `4Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,

    /// The class of VMs that name only the pool. A VM stays in the class it got when the default changes.
    /// Defaults to an implicit class with default values, which only borrows. Example: `shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub default_class: Option<String>,

    /// The namespaces whose VMs may use the pool. Defaults to `{from: All}`.
    #[serde(default)]
    pub allowed_namespaces: PoolNamespaces,
}

/// What a pool promises about its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Output {
    /// Bytes of a generator that is seeded from the sources.
    #[default]
    Stretched,
    /// Full-entropy bytes: 256 bits for every 320 bits of assessed entropy.
    FullEntropy,
    /// Health-tested bytes of the noise source itself.
    Raw,
}

/// What a pool does when too few of its sources are healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSourceFailure {
    /// It serves nothing.
    #[default]
    Hold,
    /// It serves stretched bytes to the classes that allow it.
    Degrade,
}

/// The observed state of the pool. It never names VMs or namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntropyPoolStatus {
    /// The `metadata.generation` that the status reflects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions `Accepted`, `SourcesHealthy`, `Degraded`, `Programmed` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The most recent spec that broke no rule. It is in effect even if a newer one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "accepted_schema")]
    pub accepted: Option<Accepted<EntropyPoolSpec>>,

    /// The values in effect, including the defaults that were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<PoolEffective>,

    /// The number of nodes that should run the pool, and of those that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCount>,

    /// The number of VMs that use the pool, on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<u32>,

    /// How much of the rate of the pool is promised to its classes, per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured: Option<Assured>,

    /// The source in the worst state, of all sources on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_source: Option<WorstSource>,

    /// The assessments of the sources, for auditors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sources: Vec<SourceAssessment>,

    /// What the pool promises about its bytes, and what it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputStatus>,
}

/// The values of a pool that are in effect, per node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolEffective {
    /// The rate that can be promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The maximum rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,
    /// The number of bytes that can be served at once in excess of `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,
    /// The number of bytes that can be served at once in excess of `ceil`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,
}

/// The source in the worst state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorstSource {
    /// The name of the source in the pool.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The state of the source, in one word.
    #[schemars(length(max = 64))]
    pub state: String,
    /// The number of nodes on which the source is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
}

/// The assessment of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceAssessment {
    /// The name of the source in the pool.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The assessment, as written in the spec.
    #[schemars(length(max = 512))]
    pub assessment: String,
}

/// What a pool promises about its bytes, and what it serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputStatus {
    /// What the spec promises.
    pub promised: Output,
    /// What is served. Differs from `promised` only while the pool is degraded.
    pub served: Output,
    /// What the bytes are worth, for `Raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub note: Option<String>,
    /// When `served` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl Default for EntropyPoolSpec {
    fn default() -> Self {
        Self {
            node_selector: BTreeMap::new(),
            sources: default_sources(),
            output: Output::default(),
            min_healthy_sources: one(),
            on_source_failure: OnSourceFailure::default(),
            rate: None,
            ceil: None,
            burst: None,
            cburst: None,
            default_class: None,
            allowed_namespaces: PoolNamespaces::default(),
        }
    }
}

fn default_sources() -> Vec<Source> {
    vec![Source::kernel()]
}

const fn one() -> u8 {
    1
}

fn pool_rules() -> Value {
    json!([
        rule_at(
            ".output",
            "self.output == 'Stretched' || self.sources.exists(s, has(s.minEntropyPerByte))",
            "FullEntropy and Raw require a noise source with minEntropyPerByte, which the kernel's generator is not: write \
             Stretched or add a source",
        ),
        rule_at(
            ".output",
            "self.output == 'Stretched' || self.sources.all(s, has(s.kernel) || has(s.file) || has(s.minEntropyPerByte))",
            "FullEntropy and Raw require minEntropyPerByte for every cpu, device and egd source",
        ),
        rule_at(
            ".minHealthySources",
            "self.minHealthySources <= size(self.sources)",
            "more than the number of sources: write at most that number",
        ),
    ])
}
