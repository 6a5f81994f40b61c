//! Compares a document with a schema: finds every deviation, and returns the value with all defaults.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value};

use super::cel::RuleEvaluator;
use super::messages;
use super::tree::{YamlEntry, YamlNode, YamlValue};
use crate::quantity;

/// A deviation from the schema.
pub(super) struct SchemaError {
    /// The path of the field; empty for the document.
    pub(super) field: String,
    pub(super) line: u32,
    /// What is wrong and what would be right.
    pub(super) message: String,
}

/// A walk over a document.
pub(super) struct SchemaWalk<'a> {
    rules: &'a RuleEvaluator,
    pub(super) errors: Vec<SchemaError>,
}

impl<'a> SchemaWalk<'a> {
    pub(super) const fn new(rules: &'a RuleEvaluator) -> Self {
        Self { rules, errors: Vec::new() }
    }

    /// Compares a node with its schema. The returned value has all defaults; it is complete only if there are no
    /// errors.
    pub(super) fn value(&mut self, schema: &JSONSchemaProps, node: &YamlNode, field: &str) -> Value {
        let before = self.errors.len();
        let value = self.shape(schema, node, field);
        // Rules assume a value of the right type: for any other they would report the same error again.
        if self.errors.len() == before {
            self.rules(schema, node, field, &value);
        }
        value
    }

    fn shape(&mut self, schema: &JSONSchemaProps, node: &YamlNode, field: &str) -> Value {
        match (schema.type_.as_deref(), &node.value) {
            (Some("object"), YamlValue::Map(entries)) => self.object(schema, node, entries, field),
            (Some("array"), YamlValue::List(nodes)) => self.list(schema, node, nodes, field),
            (Some("string"), YamlValue::Text(text)) => self.text(schema, node, text, field),
            (Some("integer"), YamlValue::Int(number)) => self.integer(schema, node, *number, field),
            (Some("boolean"), YamlValue::Bool(_)) | (None, _) => node.json(),
            _ => {
                self.error(node.line, field, messages::wrong_type(schema, &node.value));
                node.json()
            }
        }
    }

    fn object(
        &mut self,
        schema: &JSONSchemaProps,
        node: &YamlNode,
        entries: &[YamlEntry],
        field: &str,
    ) -> Value {
        if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
            return node.json();
        }
        let mut values = Map::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Some(first) = entries[..index].iter().find(|other| other.key == entry.key) {
                let message = format!("duplicate field, first set in line {}: remove one", first.line);
                self.error(entry.line, &child(field, &entry.key), message);
            } else if let Some(value) = self.entry(schema, entry, field) {
                values.insert(entry.key.clone(), value);
            }
        }
        if schema
            .max_properties
            .and_then(|max| usize::try_from(max).ok())
            .is_some_and(|max| values.len() > max)
        {
            self.error(node.line, field, messages::too_many_properties(schema.max_properties, values.len()));
        }
        self.apply_defaults(schema, node, field, &mut values);
        Value::Object(values)
    }

    /// The value of a field; `None` if the field is unknown or `null`, which means absent.
    fn entry(&mut self, schema: &JSONSchemaProps, entry: &YamlEntry, field: &str) -> Option<Value> {
        let path = child(field, &entry.key);
        let known = schema.properties.as_ref().and_then(|properties| properties.get(&entry.key));
        let schema = match (known, &schema.additional_properties) {
            (Some(known), _) => known,
            (None, Some(JSONSchemaPropsOrBool::Schema(any))) => any,
            (None, _) => {
                self.error(entry.line, &path, messages::unknown_field(&entry.key, schema));
                return None;
            }
        };
        if matches!(entry.node.value, YamlValue::Null) {
            return None;
        }
        Some(self.value(schema, &entry.node, &path))
    }

    /// Adds defaults, and reports required fields that are missing.
    fn apply_defaults(
        &mut self,
        schema: &JSONSchemaProps,
        node: &YamlNode,
        field: &str,
        values: &mut Map<String, Value>,
    ) {
        for (name, property) in schema.properties.iter().flatten() {
            if values.contains_key(name) {
                continue;
            }
            if let Some(default) = &property.default {
                values.insert(name.clone(), default.0.clone());
            } else if schema.required.iter().flatten().any(|required| required == name) && !node.is_set(name)
            {
                self.error(node.line, &child(field, name), messages::missing(property));
            }
        }
    }

    fn list(&mut self, schema: &JSONSchemaProps, node: &YamlNode, nodes: &[YamlNode], field: &str) -> Value {
        let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else {
            return node.json();
        };
        if let Some(message) = messages::length("item", nodes.len(), schema.min_items, schema.max_items) {
            self.error(node.line, field, message);
        }
        let values: Vec<Value> = (nodes.iter().enumerate())
            .map(|(index, node)| self.value(items, node, &format!("{field}[{index}]")))
            .collect();
        self.check_duplicates(schema, nodes, &values, field);
        Value::Array(values)
    }

    /// Reports equal items of a set, and items of a list map with the same key.
    fn check_duplicates(
        &mut self,
        schema: &JSONSchemaProps,
        nodes: &[YamlNode],
        values: &[Value],
        field: &str,
    ) {
        let keys = schema.x_kubernetes_list_map_keys.clone().unwrap_or_default();
        let is_set = schema.x_kubernetes_list_type.as_deref() == Some("set");
        if keys.is_empty() && !is_set {
            return;
        }
        let identity = |value: &Value| -> Vec<Value> {
            if is_set {
                vec![value.clone()]
            } else {
                keys.iter().filter_map(|key| value.get(key).cloned()).collect()
            }
        };
        for (index, value) in values.iter().enumerate() {
            let own = identity(value);
            let Some(first) =
                values[..index].iter().position(|other| !own.is_empty() && identity(other) == own)
            else {
                continue;
            };
            let name: Vec<String> = own.iter().map(messages::display).collect();
            let message = format!("{} duplicates {field}[{first}]: remove one", name.join(", "));
            let path = keys
                .first()
                .map_or_else(|| format!("{field}[{index}]"), |key| format!("{field}[{index}].{key}"));
            self.error(nodes[index].line, &path, message);
        }
    }

    fn text(&mut self, schema: &JSONSchemaProps, node: &YamlNode, text: &str, field: &str) -> Value {
        let parsed = schema.pattern.as_deref().and_then(|pattern| quantity::check(pattern, text));
        let message = match parsed {
            Some(parsed) => parsed.err().map(|error| error.to_string()),
            None => messages::invalid_string(schema, text, |pattern, text| self.rules.matches(pattern, text)),
        };
        if let Some(message) = message {
            self.error(node.line, field, message);
        }
        text.into()
    }

    fn integer(&mut self, schema: &JSONSchemaProps, node: &YamlNode, number: i64, field: &str) -> Value {
        if let Some(message) = messages::out_of_range(schema, number) {
            self.error(node.line, field, message);
        }
        number.into()
    }

    fn rules(&mut self, schema: &JSONSchemaProps, node: &YamlNode, field: &str, value: &Value) {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            if self.rules.holds(rule, value, None) {
                continue;
            }
            let below = rule.field_path.as_deref().unwrap_or_default();
            let line = node.at(below).line;
            let field = format!("{field}{below}").trim_start_matches('.').to_owned();
            let message = rule.message.clone().unwrap_or_else(|| rule.rule.clone());
            self.error(line, &field, message);
        }
    }

    fn error(&mut self, line: u32, field: &str, message: String) {
        self.errors.push(SchemaError { field: field.to_owned(), line, message });
    }
}

fn child(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}
