//! The kind `EntropyClass`: spec and status.
#![expect(clippy::duplicated_attributes, reason = "printer columns repeat their keys")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{object_name, rule, rule_at};
use crate::status::accepted_schema;
use crate::{Accepted, Assured, ClassNamespaces, Condition, NodeCount, Rate, Size};

/// The desired state of the class: what its VMs are assured, how much they may borrow, and how many a node
/// accepts. All figures are per node.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "entropool.io",
    version = "v1alpha1",
    kind = "EntropyClass",
    plural = "entropyclasses",
    shortname = "eclass",
    category = "entropool",
    status = "EntropyClassStatus",
    derive = "PartialEq",
    doc = "An EntropyClass is a class of VMs in a pool: what they are assured, and how much they may borrow.",
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.pool", description = "The pool"),
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
        description = "Nodes that run the class"
    ),
    printcolumn(name = "VMs", type_ = "integer", json_path = ".status.vms", description = "Attached VMs"),
    printcolumn(
        name = "Rate",
        type_ = "string",
        json_path = ".status.effective.rate",
        description = "What the class is assured, per node"
    ),
    printcolumn(
        name = "Ceil",
        type_ = "string",
        json_path = ".status.effective.ceil",
        description = "The maximum rate of the class, borrowed bytes included, per node",
        priority = 1
    ),
    printcolumn(
        name = "Slots",
        type_ = "integer",
        json_path = ".status.effective.maxVMs",
        description = "The maximum number of VMs, per node",
        priority = 1
    ),
    printcolumn(
        name = "Parent",
        type_ = "string",
        json_path = ".spec.parent",
        description = "The class that the class borrows from",
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
#[schemars(extend("x-kubernetes-validations" = class_rules()))]
pub struct EntropyClassSpec {
    /// The pool that the class belongs to. Immutable: to use another pool, create another class. Example:
    /// `default`.
    #[schemars(schema_with = "immutable_pool")]
    pub pool: String,

    /// The parent class, in the same pool. The class is assured out of the parent's `rate` and borrows from the
    /// parent. Defaults to the root of the pool. Example: `paid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub parent: Option<String>,

    /// The rate that the class is assured, per node. The rates of all classes under one parent must not exceed
    /// the rate of the parent. Defaults to no assured rate: the class only borrows. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The maximum rate of the class, borrowed bytes included, per node. Defaults to the ceil of the parent; in
    /// `tc`, it defaults to `rate`. To prevent borrowing, set it to the value of `rate`. Example: `128Ki/s`.
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

    /// The priority in borrowing, from 0 to 7: classes with a lower number borrow first. It does not affect
    /// assured bytes. Defaults to 4.
    #[serde(default = "default_prio")]
    #[schemars(range(max = 7))]
    pub prio: u8,

    /// The share in borrowed bytes among classes of the same `prio`, from 1 to 10000: a class of weight 300
    /// receives three times as much as a class of weight 100. The quantum in `status.effective` is derived from
    /// it. Defaults to 100.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 10000))]
    pub weight: u16,

    /// The rates, bursts and connections of each VM in the class.
    #[serde(default, rename = "perVM", skip_serializing_if = "PerVm::is_empty")]
    pub per_vm: PerVm,

    /// Limits on the VMs of one namespace together, per node. Defaults to no limits.
    #[serde(default, skip_serializing_if = "PerNamespace::is_empty")]
    pub per_namespace: PerNamespace,

    /// The maximum number of VMs of the class per node. Defaults to `rate` divided by `perVM.rate`, rounded
    /// down, or to no limit if `perVM.rate` is not set. Example: `40`.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_vms: Option<u32>,

    /// What happens when more VMs are scheduled to a node than `rate` allows. `Strict`: further VMs are not
    /// admitted, and the scheduler selects another node. `Proportional`: they are admitted, and the assured
    /// rates of all VMs in the class shrink in proportion. Defaults to `Strict`.
    #[serde(default)]
    pub admission: Admission,

    /// How borrowed bytes are shared within the class. `Namespace`: equally among namespaces, then equally
    /// among the VMs of each. `VM`: equally among all VMs. Defaults to `Namespace`.
    #[serde(default)]
    pub fairness: Fairness,

    /// Whether VMs of the class accept stretched bytes while the pool cannot serve what its `output` promises
    /// and its `onSourceFailure` is `Degrade`. If false, they wait. Defaults to false.
    #[serde(default)]
    pub allow_degraded: bool,

    /// The namespaces whose VMs may use the class, within those that the pool allows. Defaults to `{from:
    /// Inherit}`.
    #[serde(default)]
    pub allowed_namespaces: ClassNamespaces,
}

/// What happens when more VMs are scheduled to a node than a class has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Admission {
    /// Further VMs are not admitted.
    #[default]
    Strict,
    /// They are admitted, and all assured rates shrink in proportion.
    Proportional,
}

/// How borrowed bytes are shared within a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fairness {
    /// Equally among namespaces, then equally among the VMs of each.
    #[default]
    Namespace,
    /// Equally among all VMs.
    #[serde(rename = "VM")]
    Vm,
}

/// The rates, bursts and connections of each VM in a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerVm {
    /// The rate that each VM is assured. Requires `rate` of the class. Defaults to no assured rate. Example:
    /// `1Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The maximum rate of each VM. Defaults to the ceil of the class. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// The number of bytes that a VM can receive at once in excess of `rate`, after a time of lower use.
    /// Defaults to 10 ms at `rate`, and to at least 1Ki. Example: `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Size>,

    /// The number of bytes that a VM can receive at once in excess of `ceil`, after a time of lower use.
    /// Defaults to 10 ms at `ceil`, and to at least 1Ki. Example: `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cburst: Option<Size>,

    /// The maximum number of connections of each VM that is not a QEMU (`client: egd`), from 1 to 1024. When there
    /// are as many, a new connection replaces the oldest that waits for no answer, or itself waits until one is
    /// answered: none is closed while it waits. A QEMU has at most 4. Defaults to 256, enough for a web server whose
    /// processes each keep a connection. Example: `400`.
    #[serde(default, rename = "maxConnections", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_connections: Option<u32>,
}

/// Limits on the VMs of one namespace in a class together, per node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PerNamespace {
    /// The maximum rate that can be assured to one namespace. Requires `rate` of the class. Defaults to the sum
    /// of the assured rates of its VMs. Example: `16Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The maximum rate of one namespace. Defaults to the ceil of the class. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil: Option<Rate>,

    /// The maximum number of VMs of one namespace in the class, per node. Defaults to no limit other than that
    /// of the class. Example: `10`.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_vms: Option<u32>,
}

/// The observed state of the class. It never names VMs or namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntropyClassStatus {
    /// The `metadata.generation` that the status reflects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions `Accepted`, `Programmed` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The most recent spec that broke no rule. It is in effect even if a newer one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "accepted_schema")]
    pub accepted: Option<Accepted<EntropyClassSpec>>,

    /// The values in effect, including the defaults that were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<ClassEffective>,

    /// The number of nodes that should run the class, and of those that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCount>,

    /// The number of VMs in the class, on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<u32>,

    /// How much of the rate of the class is promised to its child classes, per node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured: Option<Assured>,
}

/// The values of a class that are in effect, per node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassEffective {
    /// The assured rate. Absent if nothing is assured.
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
    /// The number of bytes per round of the round robin, derived from `weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantum: Option<u32>,
    /// The maximum number of VMs. Absent if there is no limit.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    pub max_vms: Option<u32>,
    /// The values of each VM.
    #[serde(default, rename = "perVM", skip_serializing_if = "Option::is_none")]
    pub per_vm: Option<PerVm>,
    /// The limits of each namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_namespace: Option<PerNamespace>,
}

impl EntropyClassSpec {
    /// A class of `pool` with default values.
    pub fn new(pool: impl Into<String>) -> Self {
        Self {
            pool: pool.into(),
            parent: None,
            rate: None,
            ceil: None,
            burst: None,
            cburst: None,
            prio: default_prio(),
            weight: default_weight(),
            per_vm: PerVm::default(),
            per_namespace: PerNamespace::default(),
            max_vms: None,
            admission: Admission::default(),
            fairness: Fairness::default(),
            allow_degraded: false,
            allowed_namespaces: ClassNamespaces::default(),
        }
    }
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

const fn default_prio() -> u8 {
    4
}

const fn default_weight() -> u16 {
    100
}

fn immutable_pool(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = object_name(generator);
    let fixed = rule(
        "self == oldSelf",
        "the pool of a class cannot be changed: create a class in the other pool instead",
    );
    schema.insert("x-kubernetes-validations".to_owned(), json!([fixed]));
    schema
}

fn class_rules() -> Value {
    json!([
        rule_at(
            ".perVM.rate",
            "!has(self.perVM) || !has(self.perVM.rate) || has(self.rate)",
            "it is part of the rate of the class: set spec.rate too",
        ),
        rule_at(
            ".perNamespace.rate",
            "!has(self.perNamespace) || !has(self.perNamespace.rate) || has(self.rate)",
            "it is part of the rate of the class: set spec.rate too",
        ),
    ])
}
