//! A document against a schema: every deviation, and the value with all defaults filled in.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value};

use super::cel::Rules;
use super::messages;
use super::tree::{YamlEntry, YamlNode, YamlValue};
use crate::quantity;

/// One deviation.
pub(super) struct SchemaError {
    /// The field's path; empty for the document.
    pub(super) field: String,
    /// Its line.
    pub(super) line: u32,
    /// What is wrong and what would be right.
    pub(super) message: String,
}

/// A walk over one document.
pub(super) struct Walk<'a> {
    rules: &'a Rules,
    /// What was found so far.
    pub(super) findings: Vec<SchemaError>,
}

impl<'a> Walk<'a> {
    /// Nothing found yet.
    pub(super) const fn new(rules: &'a Rules) -> Self {
        Self { rules, findings: Vec::new() }
    }

    /// Compares a node with its schema. The value returned has all defaults; it is only whole if nothing was
    /// found.
    pub(super) fn value(&mut self, schema: &JSONSchemaProps, node: &YamlNode, field: &str) -> Value {
        let before = self.findings.len();
        let value = self.shape(schema, node, field);
        // A rule speaks of a value whose shape is right: of any other it would say the same thing twice.
        if self.findings.len() == before {
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
                self.found(node.line, field, messages::wrong_type(schema, &node.value));
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
                let message = format!("written twice, first in line {}: keep one", first.line);
                self.found(entry.line, &child(field, &entry.key), message);
            } else if let Some(value) = self.entry(schema, entry, field) {
                values.insert(entry.key.clone(), value);
            }
        }
        if schema
            .max_properties
            .and_then(|most| usize::try_from(most).ok())
            .is_some_and(|most| values.len() > most)
        {
            self.found(node.line, field, messages::too_many(schema.max_properties, values.len()));
        }
        self.complete(schema, node, field, &mut values);
        Value::Object(values)
    }

    /// The value of one field; nothing for those that are unknown, and for `null`, which means left out.
    fn entry(&mut self, schema: &JSONSchemaProps, entry: &YamlEntry, field: &str) -> Option<Value> {
        let path = child(field, &entry.key);
        let known = schema.properties.as_ref().and_then(|properties| properties.get(&entry.key));
        let schema = match (known, &schema.additional_properties) {
            (Some(known), _) => known,
            (None, Some(JSONSchemaPropsOrBool::Schema(any))) => any,
            (None, _) => {
                self.found(entry.line, &path, messages::unknown_field(&entry.key, schema));
                return None;
            }
        };
        if matches!(entry.node.value, YamlValue::Null) {
            return None;
        }
        Some(self.value(schema, &entry.node, &path))
    }

    /// What is required and missing, and what has a default.
    fn complete(
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
            } else if schema.required.iter().flatten().any(|required| required == name)
                && !node.mentions(name)
            {
                self.found(node.line, &child(field, name), messages::missing(property));
            }
        }
    }

    fn list(&mut self, schema: &JSONSchemaProps, node: &YamlNode, nodes: &[YamlNode], field: &str) -> Value {
        let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else {
            return node.json();
        };
        if let Some(message) = messages::length("item", nodes.len(), schema.min_items, schema.max_items) {
            self.found(node.line, field, message);
        }
        let values: Vec<Value> = (nodes.iter().enumerate())
            .map(|(index, node)| self.value(items, node, &format!("{field}[{index}]")))
            .collect();
        self.repeated(schema, nodes, &values, field);
        Value::Array(values)
    }

    /// Items of a set that are there twice, and items of a list map with the same key.
    fn repeated(&mut self, schema: &JSONSchemaProps, nodes: &[YamlNode], values: &[Value], field: &str) {
        let keys = schema.x_kubernetes_list_map_keys.clone().unwrap_or_default();
        let set = schema.x_kubernetes_list_type.as_deref() == Some("set");
        if keys.is_empty() && !set {
            return;
        }
        let identity = |value: &Value| -> Vec<Value> {
            if set {
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
            let name: Vec<String> = own.iter().map(messages::shown).collect();
            let message = format!("{} is already {field}[{first}]: write it once", name.join(", "));
            let path = keys
                .first()
                .map_or_else(|| format!("{field}[{index}]"), |key| format!("{field}[{index}].{key}"));
            self.found(nodes[index].line, &path, message);
        }
    }

    fn text(&mut self, schema: &JSONSchemaProps, node: &YamlNode, text: &str, field: &str) -> Value {
        let judged = schema.pattern.as_deref().and_then(|pattern| quantity::judge(pattern, text));
        let message = match judged {
            Some(judged) => judged.err().map(|refusal| refusal.to_string()),
            None => messages::bad_text(schema, text, |pattern, text| self.rules.matches(pattern, text)),
        };
        if let Some(message) = message {
            self.found(node.line, field, message);
        }
        text.into()
    }

    fn integer(&mut self, schema: &JSONSchemaProps, node: &YamlNode, number: i64, field: &str) -> Value {
        if let Some(message) = messages::out_of_range(schema, number) {
            self.found(node.line, field, message);
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
            self.found(line, &field, message);
        }
    }

    fn found(&mut self, line: u32, field: &str, message: String) {
        self.findings.push(SchemaError { field: field.to_owned(), line, message });
    }
}

fn child(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}
