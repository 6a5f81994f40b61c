//! The namespaces whose VMs may use a pool or a class.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{labels, rule};

/// The namespaces whose VMs may use a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = selector_rules()))]
pub struct PoolNamespaces {
    /// How the namespaces are selected. `All`: all namespaces. `Selector`: those that match `selector`. `None`:
    /// no namespace. Defaults to `All`.
    #[serde(default)]
    pub from: PoolNamespacesFrom,

    /// A selector for the labels of namespaces. Required if `from` is `Selector`, and not allowed otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// The namespaces whose VMs may use a class, within those that the pool allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = selector_rules()))]
pub struct ClassNamespaces {
    /// How the namespaces are selected. `Inherit` and `All`: all namespaces that the pool allows. `Selector`:
    /// those of them that match `selector`. `None`: no namespace. Defaults to `Inherit`.
    #[serde(default)]
    pub from: ClassNamespacesFrom,

    /// A selector for the labels of namespaces. Required if `from` is `Selector`, and not allowed otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How the namespaces of a pool are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolNamespacesFrom {
    /// All namespaces.
    #[default]
    All,
    /// The namespaces that match the selector.
    Selector,
    /// No namespace.
    None,
}

/// How the namespaces of a class are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClassNamespacesFrom {
    /// The namespaces of the pool.
    #[default]
    Inherit,
    /// All namespaces that the pool allows.
    All,
    /// The namespaces of the pool that match the selector.
    Selector,
    /// No namespace.
    None,
}

/// A label selector, as in Kubernetes: all labels and all expressions must match. An empty selector matches
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be present with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Expressions that must all match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelExpression>,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    rule(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "In and NotIn require values, Exists and DoesNotExist allow none",
    ),
]))]
pub struct LabelExpression {
    /// The key of the label.
    #[schemars(length(min = 1, max = 316))]
    pub key: String,

    /// The operator: `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: LabelOperator,

    /// The values for `In` and `NotIn`. Not allowed for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "label_values")]
    pub values: Vec<String>,
}

/// The operator of a [`LabelExpression`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label is present, with one of the values.
    In,
    /// The label is absent, or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether the selector matches an object with these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        selects(&self.match_labels, labels)
            && self.match_expressions.iter().all(|expression| expression.matches(labels))
    }
}

impl LabelExpression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether `labels` contain all of `selector`, as for a `nodeSelector`.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn selector_rules() -> serde_json::Value {
    serde_json::json!([rule(
        "(self.from == 'Selector') == has(self.selector)",
        "from: Selector requires a selector, and a selector requires from: Selector",
    )])
}

fn label_values(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 63 },
        "x-kubernetes-list-type": "set",
    })
}
