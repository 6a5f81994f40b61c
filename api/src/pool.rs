//! `EntropyPool`: the sources that serve together, and how much of them is promised.
#![expect(clippy::duplicated_attributes, reason = "printer columns repeat their keys")]

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{labels, object_name, rule_at};
use crate::{PoolNamespaces, PoolStatus, Rate, Size, Source};

/// What the pool shall be. `spec: {}` is valid: every node, the kernel's generator, no promise but the shares of
/// its classes. All figures are per node.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "entropool.io",
    version = "v1alpha1",
    kind = "EntropyPool",
    plural = "entropypools",
    shortname = "epool",
    category = "entropool",
    status = "PoolStatus",
    derive = "PartialEq",
    doc = "An EntropyPool is a set of sources that serve VMs together, on each node it selects.",
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
        description = "In one word, what is wrong or that nothing is"
    ),
    printcolumn(
        name = "Nodes",
        type_ = "integer",
        json_path = ".status.nodes.programmed",
        description = "Nodes that run the pool"
    ),
    printcolumn(
        name = "VMs",
        type_ = "integer",
        json_path = ".status.vms",
        description = "VMs that draw now"
    ),
    printcolumn(
        name = "Assured",
        type_ = "string",
        json_path = ".status.assured.promised",
        description = "What is promised to classes, per node"
    ),
    printcolumn(
        name = "Output",
        type_ = "string",
        json_path = ".status.output.served",
        description = "What every byte is served as",
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
    /// Run the pool on the nodes that carry all these labels. Absent: on every node.
    /// Example: `{node.example/trng: "true"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub node_selector: BTreeMap<String, String>,

    /// Where the bytes come from: 1 to 16 sources, each with its own name. Default: the kernel's generator.
    #[serde(default = "default_sources")]
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sources: Vec<Source>,

    /// What every byte of the pool is promised to be. `Stretched` (default): from a generator seeded by the
    /// sources, without a bound. `FullEntropy`: 32 bytes out for every 320 assessed bits in, so no more than
    /// the sources give. `Raw`: the noise source's bytes, health-tested and not conditioned. The last two need
    /// a source with `minEntropyPerByte`.
    #[serde(default)]
    pub output: Output,

    /// How many sources must be healthy for the pool to serve as promised. 1 to 16, default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub min_healthy_sources: u8,

    /// What happens when too few sources are healthy. `Hold` (default): silence rather than weak bytes, VMs
    /// wait. `Degrade`: classes with `allowDegraded` are served `Stretched` bytes, and status, an Event and a
    /// metric say so. A source that is slow has not failed: VMs wait for it.
    #[serde(default)]
    pub on_source_failure: OnSourceFailure,

    /// What may be promised to the pool's classes, per node. Absent: what the sources give after conditioning,
    /// or 64Mi/s where that is unknown. Example: `512Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// What may be served, per node. Absent: `rate`. Example: `512Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// How many bytes may come at once beyond `rate` after a pause. Absent: the larger of 1Ki and what 10 ms
    /// at `rate` bring. Example: `4Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,

    /// How many bytes may come at once beyond `ceil` after a pause. Absent: the larger of 1Ki and what 10 ms
    /// at `ceil` bring. Example: `4Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,

    /// The class of a VM that names only the pool; it stays in it whatever becomes the default later. Absent: a class
    /// of its own with every default, which lives on what others leave. Example: `shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub default_class: Option<String>,

    /// Which namespaces' VMs may draw from the pool. Default `{from: All}`.
    #[serde(default)]
    pub allowed_namespaces: PoolNamespaces,
}

/// What every byte of a pool is promised to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Output {
    /// From a generator that the sources seed.
    #[default]
    Stretched,
    /// Full-entropy bytes: 320 assessed bits in for 256 out.
    FullEntropy,
    /// Health-tested bytes of the noise source itself.
    Raw,
}

/// What a pool does when too few of its sources are healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSourceFailure {
    /// Serve nothing.
    #[default]
    Hold,
    /// Serve stretched bytes to classes that allow it.
    Degrade,
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
            "FullEntropy and Raw need a noise source with minEntropyPerByte, and the kernel's generator is none: write \
             Stretched, or add a source",
        ),
        rule_at(
            ".output",
            "self.output == 'Stretched' || self.sources.all(s, has(s.kernel) || has(s.file) || has(s.minEntropyPerByte))",
            "FullEntropy and Raw need minEntropyPerByte at every cpu, device and egd source",
        ),
        rule_at(
            ".minHealthySources",
            "self.minHealthySources <= size(self.sources)",
            "more than the pool has sources: write at most their number",
        ),
    ])
}
