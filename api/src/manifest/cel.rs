//! Evaluates the CEL rules of the schema, as an API server does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::Key;
use cel::{Context, Env, Program, Value as CelValue};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use serde_json::Value;

/// Evaluates rules, and compiles each of them once.
pub(super) struct RuleEvaluator {
    env: Arc<Env>,
    programs: RefCell<HashMap<String, Option<Arc<Program>>>>,
    /// The results for texts, by the rule or pattern and the text: the objects of one file are much alike.
    texts: RefCell<HashMap<(String, String), bool>>,
}

/// Results that are kept.
const MAX_TEXTS: usize = 4096;

impl RuleEvaluator {
    /// An evaluator with the standard functions of CEL and the functions on strings that Kubernetes adds.
    pub(super) fn new() -> Self {
        let mut env = Env::stdlib();
        env.add_extension(cel::extensions::strings).expect("a new environment has no functions on strings");
        Self { env: Arc::new(env), programs: RefCell::default(), texts: RefCell::default() }
    }

    /// Whether the rule holds for `value`. Rules that compare with an old value hold if there is none. A rule that
    /// cannot be evaluated does not hold, as in an API server.
    pub(super) fn holds(&self, rule: &ValidationRule, value: &Value, old: Option<&Value>) -> bool {
        if old.is_none() && compares_with_old(rule) {
            return true;
        }
        match (value, old) {
            (Value::String(text), None) => {
                self.of_text(&rule.rule, text, || self.evaluate(&rule.rule, value, None))
            }
            _ => self.evaluate(&rule.rule, value, old),
        }
    }

    fn evaluate(&self, rule: &str, value: &Value, old: Option<&Value>) -> bool {
        let Some(program) = self.program(rule) else {
            return false;
        };
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable_from_value("self", cel_value(value));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", cel_value(old));
        }
        program.execute(&context) == Ok(CelValue::Bool(true))
    }

    /// Whether a text matches a pattern, in the dialect of regular expressions that rules use.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.of_text(pattern, text, || self.evaluate_match(pattern, text))
    }

    /// The result for a text, evaluated once.
    fn of_text(&self, rule: &str, text: &str, evaluate: impl FnOnce() -> bool) -> bool {
        let key = (rule.to_owned(), text.to_owned());
        if let Some(result) = self.texts.borrow().get(&key) {
            return *result;
        }
        let result = evaluate();
        let mut texts = self.texts.borrow_mut();
        if texts.len() < MAX_TEXTS {
            texts.insert(key, result);
        }
        result
    }

    fn evaluate_match(&self, pattern: &str, text: &str) -> bool {
        let Some(program) = self.program("text.matches(pattern)") else {
            return false;
        };
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable_from_value("text", text.to_owned());
        context.add_variable_from_value("pattern", pattern.to_owned());
        program.execute(&context) == Ok(CelValue::Bool(true))
    }

    fn program(&self, rule: &str) -> Option<Arc<Program>> {
        let mut programs = self.programs.borrow_mut();
        if let Some(program) = programs.get(rule) {
            return program.clone();
        }
        let program = self.env.compile(rule).ok().map(Arc::new);
        programs.insert(rule.to_owned(), program.clone());
        program
    }
}

pub(super) fn compares_with_old(rule: &ValidationRule) -> bool {
    rule.rule.contains("oldSelf")
}

fn cel_value(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| CelValue::Float(number.as_f64().unwrap_or(f64::NAN)), CelValue::Int),
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(values) => CelValue::List(Arc::new(values.iter().map(cel_value).collect())),
        Value::Object(fields) => {
            let map: HashMap<Key, CelValue> =
                fields.iter().map(|(key, value)| (Key::from(key.clone()), cel_value(value))).collect();
            CelValue::Map(map.into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaProps, JSONSchemaPropsOrArray,
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::schema::describe_pattern;
    use crate::{MinEntropy, Rate, Size, quantity};

    fn schemas() -> Vec<JSONSchemaProps> {
        crate::crds().into_iter().map(|crd| crate::crd::schema(crd).unwrap()).collect()
    }

    fn for_each_schema(schema: &JSONSchemaProps, check: &mut impl FnMut(&JSONSchemaProps)) {
        check(schema);
        schema.properties.iter().flatten().for_each(|(_, property)| for_each_schema(property, check));
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            for_each_schema(items, check);
        }
    }

    #[test]
    fn every_rule_compiles() {
        let rules = RuleEvaluator::new();
        for schema in schemas() {
            for_each_schema(&schema, &mut |schema| {
                for rule in schema.x_kubernetes_validations.iter().flatten() {
                    assert!(rules.program(&rule.rule).is_some(), "{}", rule.rule);
                }
            });
        }
    }

    #[test]
    fn every_pattern_in_a_spec_has_a_description() {
        for schema in schemas() {
            for_each_schema(&schema.properties.unwrap()["spec"], &mut |schema| {
                if let Some(pattern) = &schema.pattern {
                    assert!(
                        describe_pattern(pattern).is_some() || quantity::check(pattern, "").is_some(),
                        "{pattern}"
                    );
                }
            });
        }
    }

    /// Whether an API server accepts the text, by the pattern, the length and the rules of its schema.
    fn is_accepted(rules: &RuleEvaluator, schema: &schemars::Schema, text: &str) -> bool {
        let schema: JSONSchemaProps = serde_json::from_value(schema.clone().to_value()).unwrap();
        let length = i64::try_from(text.len()).unwrap() <= schema.max_length.unwrap();
        length
            && rules.matches(schema.pattern.as_deref().unwrap(), text)
            && schema
                .x_kubernetes_validations
                .iter()
                .flatten()
                .all(|rule| rules.holds(rule, &json!(text), None))
    }

    fn schema_of<T: schemars::JsonSchema>() -> schemars::Schema {
        T::json_schema(&mut schemars::SchemaGenerator::default())
    }

    proptest! {
        // The API server and the types must accept the same texts: a single stored object that cannot be decoded
        // would prevent a controller from listing all others of its kind.
        #[test]
        fn the_schema_accepts_exactly_the_quantities_that_parse(
            digits in prop_oneof!["[1-9][0-9]{0,3}", "[1-9][0-9]{0,16}", "[0-9]{0,3}"],
            unit in prop_oneof!["", "(k|M|G|Ki|Mi|Gi)", "[kKmMGib]{0,2}"],
            count in prop_oneof!["", "[1-9]0{0,2}", "[0-9]{0,9}", "(12|15|24|86400|1440|86400000)"],
            period in prop_oneof!["(ms|s|min|h|d)", "[a-z]{0,3}"],
        ) {
            let rules = RuleEvaluator::new();
            let size = format!("{digits}{unit}");
            let rate = format!("{size}/{count}{period}");
            prop_assert_eq!(is_accepted(&rules, &schema_of::<Size>(), &size), size.parse::<Size>().is_ok(), "{}", size);
            prop_assert_eq!(is_accepted(&rules, &schema_of::<Rate>(), &rate), rate.parse::<Rate>().is_ok(), "{}", rate);
            let bits = format!("{digits}.{count}");
            for bits in [&bits, &digits] {
                let read = bits.parse::<MinEntropy>().is_ok();
                prop_assert_eq!(is_accepted(&rules, &schema_of::<MinEntropy>(), bits), read, "{}", bits);
            }
        }
    }

    #[test]
    fn schema_and_types_have_the_same_limits() {
        let rules = RuleEvaluator::new();
        for text in ["10G/s", "10000000001/s", "864000G/d", "864000000000001/d", "10000000/ms", "10000001/ms"]
        {
            assert_eq!(
                is_accepted(&rules, &schema_of::<Rate>(), text),
                text.parse::<Rate>().is_ok(),
                "{text}"
            );
        }
        for text in ["4Gi", "4294967296", "4294967297", "5G"] {
            assert_eq!(
                is_accepted(&rules, &schema_of::<Size>(), text),
                text.parse::<Size>().is_ok(),
                "{text}"
            );
        }
    }
}
