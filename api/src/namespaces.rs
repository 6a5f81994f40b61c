//! Which namespaces' VMs may draw.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{labels, rule};

/// Which namespaces' VMs may draw from a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = selector_rules()))]
pub struct PoolNamespaces {
    /// `All` (default): every namespace. `Selector`: those that `selector` matches. `None`: none.
    #[serde(default)]
    pub from: PoolNamespacesFrom,

    /// Which labels a namespace must have. Needed with `from: Selector`, and refused without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Which namespaces' VMs may draw from a class, always within the pool's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = selector_rules()))]
pub struct ClassNamespaces {
    /// `Inherit` (default) and `All`: every namespace the pool allows. `Selector`: those of them that
    /// `selector` matches. `None`: none.
    #[serde(default)]
    pub from: ClassNamespacesFrom,

    /// Which labels a namespace must have. Needed with `from: Selector`, and refused without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How a pool's namespaces are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolNamespacesFrom {
    /// Every namespace.
    #[default]
    All,
    /// Those that the selector matches.
    Selector,
    /// None.
    None,
}

/// How a class's namespaces are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClassNamespacesFrom {
    /// The pool's.
    #[default]
    Inherit,
    /// Every namespace the pool allows.
    All,
    /// Those of the pool's that the selector matches.
    Selector,
    /// None.
    None,
}

/// A selector of labels, as Kubernetes writes them: all labels and all expressions must hold. An empty one
/// matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must all be there with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Expressions that must all hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelExpression>,
}

/// One expression over labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    rule(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        "In and NotIn need values, Exists and DoesNotExist take none",
    ),
]))]
pub struct LabelExpression {
    /// The label's key.
    #[schemars(length(min = 1, max = 316))]
    pub key: String,

    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: LabelOperator,

    /// The values that `In` and `NotIn` compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "label_values")]
    pub values: Vec<String>,
}

/// What a [`LabelExpression`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label is there, with one of the values.
    In,
    /// The label is not there, or with none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is meant.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        selects(&self.match_labels, labels) && self.match_expressions.iter().all(|one| one.holds(labels))
    }
}

impl LabelExpression {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
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

/// Whether all `wanted` labels are among `labels`: the meaning of every `nodeSelector`.
pub fn selects(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn selector_rules() -> serde_json::Value {
    serde_json::json!([rule(
        "(self.from == 'Selector') == has(self.selector)",
        "from: Selector needs a selector, and a selector needs from: Selector",
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
