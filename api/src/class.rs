//! `EntropyClass`: VMs that share a rate, and what each of them is assured.
#![expect(clippy::duplicated_attributes, reason = "printer columns repeat their keys")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{object_name, rule, rule_at};
use crate::{ClassNamespaces, ClassStatus, PerNamespace, PerVm, Rate, Size};

/// What the class shall be: what its VMs are assured together and each, how much they may borrow of what others
/// leave, and how many there may be. All figures are per node.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "entropool.io",
    version = "v1alpha1",
    kind = "EntropyClass",
    plural = "entropyclasses",
    shortname = "eclass",
    category = "entropool",
    status = "ClassStatus",
    derive = "PartialEq",
    doc = "An EntropyClass is a place in a pool's tree: what its VMs are assured, and what they may borrow.",
    printcolumn(
        name = "Pool",
        type_ = "string",
        json_path = ".spec.pool",
        description = "The pool it is part of"
    ),
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
        description = "Nodes that run the class"
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
        json_path = ".status.effective.rate",
        description = "What the class is assured, per node"
    ),
    printcolumn(
        name = "Ceil",
        type_ = "string",
        json_path = ".status.effective.ceil",
        description = "The most the class is served, per node",
        priority = 1
    ),
    printcolumn(
        name = "Places",
        type_ = "integer",
        json_path = ".status.effective.maxVMs",
        description = "VMs the class takes, per node",
        priority = 1
    ),
    printcolumn(
        name = "Parent",
        type_ = "string",
        json_path = ".spec.parent",
        description = "The class it borrows from",
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
    /// The pool the class is part of. It cannot be changed: make a new class instead. Example: `default`.
    #[schemars(schema_with = "immutable_pool")]
    pub pool: String,

    /// Another class of the pool, inside which this one lives: it is assured out of that one's `rate` and
    /// borrows from it. Absent: the pool's root. Example: `paid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_name")]
    pub parent: Option<String>,

    /// What the class is assured, per node. The rates of all classes under a parent may not pass the parent's.
    /// Absent: nothing is assured, and the class lives on what others leave. Example: `64Ki/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,

    /// The most the class is served, borrowing included. Absent: the parent's ceil (not `rate`, as in `tc`:
    /// write that if nothing shall be borrowed). Example: `128Ki/s`.
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

    /// Who borrows first: 0 to 7, lower before higher, default 4. It never delays what is assured.
    #[serde(default = "default_prio")]
    #[schemars(range(max = 7))]
    pub prio: u8,

    /// The share among classes of equal `prio` of what is borrowed: 1 to 10000, default 100. A class of 300
    /// gets three times what one of 100 gets. The quantum in status is derived from it.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 10000))]
    pub weight: u16,

    /// What each VM of the class has for itself.
    #[serde(default, rename = "perVM", skip_serializing_if = "PerVm::is_empty")]
    pub per_vm: PerVm,

    /// What the VMs of one namespace may hold of the class together, on a node. Absent: no bound.
    #[serde(default, skip_serializing_if = "PerNamespace::is_empty")]
    pub per_namespace: PerNamespace,

    /// How many VMs of the class a node takes. Absent: `rate` divided by `perVM.rate`, rounded down; no bound
    /// where `perVM.rate` is absent. Example: `40`.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_vms: Option<u32>,

    /// What happens when more VMs come than `rate` has room for. `Strict` (default): they are not let in, and
    /// the scheduler looks for another node. `Proportional`: they are, and all assured rates shrink together.
    #[serde(default)]
    pub admission: Admission,

    /// Who shares equally what is borrowed. `Namespace` (default): first the namespaces, then the VMs of each.
    /// `VM`: all VMs of the class alike.
    #[serde(default)]
    pub fairness: Fairness,

    /// Whether VMs of the class take stretched bytes while the pool cannot keep its promise and its
    /// `onSourceFailure` is `Degrade`. Default false: they wait.
    #[serde(default)]
    pub allow_degraded: bool,

    /// Which namespaces' VMs may draw from the class, always within the pool's. Default `{from: Inherit}`.
    #[serde(default)]
    pub allowed_namespaces: ClassNamespaces,
}

/// What happens when more VMs come than a class has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Admission {
    /// They are not let in.
    #[default]
    Strict,
    /// All assured rates shrink together.
    Proportional,
}

/// Who shares equally what is borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fairness {
    /// First the namespaces, then the VMs of each.
    #[default]
    Namespace,
    /// All VMs of the class alike.
    #[serde(rename = "VM")]
    Vm,
}

impl EntropyClassSpec {
    /// A class of a pool with every default.
    pub fn of(pool: impl Into<String>) -> Self {
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

const fn default_prio() -> u8 {
    4
}

const fn default_weight() -> u16 {
    100
}

fn immutable_pool(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = object_name(generator);
    let fixed =
        rule("self == oldSelf", "a class stays in its pool: make a new class in the other pool instead");
    schema.insert("x-kubernetes-validations".to_owned(), json!([fixed]));
    schema
}

fn class_rules() -> Value {
    json!([
        rule_at(
            ".perVM.rate",
            "!has(self.perVM) || !has(self.perVM.rate) || has(self.rate)",
            "it is assured out of the class's own rate: write that too",
        ),
        rule_at(
            ".perNamespace.rate",
            "!has(self.perNamespace) || !has(self.perNamespace.rate) || has(self.rate)",
            "it is a part of the class's own rate: write that too",
        ),
    ])
}
