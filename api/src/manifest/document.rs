//! Reads documents: their kind, their validation, and their transition from a former state.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::CustomResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cel::{RuleEvaluator, compares_with_old};
use super::messages::nearest;
use super::objects::{Located, Location, Manifest, Object, Problem};
use super::tree::{YamlNode, YamlValue};
use super::walk::{SchemaError, SchemaWalk};
use super::yaml::RawDocument;
use super::{metadata, yaml};
use crate::crd::{crds, schema};
use crate::names::{API_VERSION, GROUP};
use crate::{EntropyClass, EntropyPool};

/// Validates documents against the schemas of both kinds.
pub(super) struct DocumentReader {
    rules: RuleEvaluator,
    schemas: BTreeMap<String, JSONSchemaProps>,
}

enum DocumentKind<'a> {
    /// A kind of this API group.
    Own(&'a str),
    /// A kind of another API group.
    Foreign(String),
    /// A list of objects, as `kubectl get -o yaml` writes.
    List,
    Invalid(SchemaError),
}

impl DocumentReader {
    /// Calls `use_reader` with the reader of the thread, because it is expensive to create.
    pub(super) fn with<T>(use_reader: impl FnOnce(&Self) -> T) -> T {
        thread_local!(static READER: DocumentReader = DocumentReader::new());
        READER.with(use_reader)
    }

    fn new() -> Self {
        let schemas = crds().into_iter().filter_map(|crd| {
            let kind = crd.spec.names.kind.clone();
            let mut schema = schema(crd)?;
            let properties = schema.properties.get_or_insert_default();
            properties.insert("metadata".to_owned(), metadata::schema());
            for name in ["apiVersion", "kind"] {
                let text_schema =
                    JSONSchemaProps { type_: Some("string".to_owned()), ..JSONSchemaProps::default() };
                properties.insert(name.to_owned(), text_schema);
            }
            // Only a cluster writes it: it is dropped without validation.
            properties.insert("status".to_owned(), JSONSchemaProps::default());
            schema.required.get_or_insert_default().push("metadata".to_owned());
            Some((kind, schema))
        });
        Self { rules: RuleEvaluator::new(), schemas: schemas.collect() }
    }

    /// Reads a document into the manifest.
    pub(super) fn read(&self, file: &str, part: &RawDocument<'_>, manifest: &mut Manifest) {
        match yaml::parse(part) {
            Ok(node) => self.node(file, &node, manifest),
            Err(error) => manifest.problems.push(Problem {
                line: error.line,
                ..Problem::in_file(file, format!("invalid YAML: {}", error.message))
            }),
        }
    }

    fn node(&self, file: &str, node: &YamlNode, manifest: &mut Manifest) {
        if matches!(node.value, YamlValue::Null) {
            return;
        }
        match self.kind_of(node) {
            DocumentKind::Own(kind) => self.object(file, kind, node, manifest),
            DocumentKind::List => {
                for item in node.get("items").map_or(&[][..], YamlNode::items) {
                    self.node(file, item, manifest);
                }
            }
            DocumentKind::Foreign(message) => {
                manifest.ignored.push(Problem {
                    line: Some(node.line),
                    object: title(node),
                    ..Problem::in_file(file, message)
                });
            }
            DocumentKind::Invalid(error) => manifest.problems.push(problem(file, title(node), error)),
        }
    }

    fn kind_of<'a>(&self, node: &'a YamlNode) -> DocumentKind<'a> {
        let invalid = |field: &str, message: String| {
            let line = node.get(field).unwrap_or(node).line;
            DocumentKind::Invalid(SchemaError { field: field.to_owned(), line, message })
        };
        if !matches!(node.value, YamlValue::Map(_)) {
            let message = "not an object: a document starts with apiVersion and kind".to_owned();
            return DocumentKind::Invalid(SchemaError { field: String::new(), line: node.line, message });
        }
        let text = |field: &str| node.get(field).and_then(YamlNode::text).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let own = self.schemas.contains_key(kind);
        match (version, kind) {
            ("", _) => invalid("apiVersion", format!("required: write {API_VERSION}")),
            (_, "") => invalid("kind", format!("required: write {}", self.kinds())),
            (API_VERSION, "EntropyPoolList" | "EntropyClassList") | ("v1", "List") => DocumentKind::List,
            (API_VERSION, _) if own => DocumentKind::Own(kind),
            (API_VERSION, _) => match nearest(kind, self.schemas.keys().map(String::as_str)) {
                Some(meant) => invalid("kind", format!("{GROUP} has no kind {kind}; did you mean {meant}?")),
                None => invalid("kind", format!("{GROUP} has no kind {kind}; write {}", self.kinds())),
            },
            _ if own || group(version) == GROUP => {
                invalid("apiVersion", format!("{version} is not supported; write {API_VERSION}"))
            }
            _ => DocumentKind::Foreign(format!("ignored: {version} {kind} is not in the API group {GROUP}")),
        }
    }

    fn kinds(&self) -> String {
        self.schemas.keys().map(String::as_str).collect::<Vec<_>>().join(" or ")
    }

    fn object(&self, file: &str, kind: &str, node: &YamlNode, manifest: &mut Manifest) {
        let title = title(node);
        let location = Location { file: file.to_owned(), line: node.line };
        if let Some(title) = &title
            && title.contains(' ')
        {
            manifest.titles.push((title.clone(), location.clone()));
        }
        let mut walk = SchemaWalk::new(&self.rules);
        let value = self.schemas.get(kind).map_or(Value::Null, |schema| walk.value(schema, node, ""));
        if walk.errors.is_empty() {
            match typed(kind, value) {
                Ok(object) => return manifest.objects.push(Located { object, location }),
                Err(message) => {
                    walk.errors.push(SchemaError { field: String::new(), line: node.line, message });
                }
            }
        }
        manifest.problems.extend(walk.errors.into_iter().map(|error| problem(file, title.clone(), error)));
    }
}

impl DocumentReader {
    /// Checks the rules that compare an object with its former state.
    pub(super) fn transition(&self, old: &Object, new: &Located) -> Vec<Problem> {
        let (Some(schema), true) = (self.schemas.get(new.object.kind()), old.title() == new.object.title())
        else {
            return Vec::new();
        };
        let mut violations = Vec::new();
        self.compare(schema, &spec_of(old), &spec_of(&new.object), "", &mut violations);
        violations
            .into_iter()
            .map(|(field, message)| Problem {
                file: new.location.file.clone(),
                line: Some(new.location.line),
                object: Some(new.object.title()),
                field: Some(field),
                message,
            })
            .collect()
    }

    fn compare(
        &self,
        schema: &JSONSchemaProps,
        old: &Value,
        new: &Value,
        field: &str,
        violations: &mut Vec<(String, String)>,
    ) {
        for rule in schema.x_kubernetes_validations.iter().flatten().filter(|rule| compares_with_old(rule)) {
            if !self.rules.holds(rule, new, Some(old)) {
                violations.push((
                    field.trim_start_matches('.').to_owned(),
                    rule.message.clone().unwrap_or_default(),
                ));
            }
        }
        for (name, property) in schema.properties.iter().flatten() {
            if let (Some(old), Some(new)) = (old.get(name), new.get(name)) {
                self.compare(property, old, new, &format!("{field}.{name}"), violations);
            }
        }
    }
}

fn typed(kind: &str, mut value: Value) -> Result<Object, String> {
    metadata::remove_cluster_fields(&mut value);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if kind == EntropyPool::api_resource().kind {
        decoded(value).map(|pool: EntropyPool| Object::Pool(Box::new(pool)))
    } else {
        decoded(value).map(|class: EntropyClass| Object::Class(Box::new(class)))
    }
}

/// The schema allows nothing that the types reject; if it ever does, that is a message and not a panic.
fn decoded<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("cannot be decoded: {error}"))
}

/// Kind and name, as far as they are set.
fn title(node: &YamlNode) -> Option<String> {
    let kind = node.get("kind")?.text()?;
    let name = node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(YamlNode::text);
    let name = name.filter(|name| !name.is_empty());
    Some(name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")))
}

fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

fn problem(file: &str, object: Option<String>, error: SchemaError) -> Problem {
    let SchemaError { field, line, message } = error;
    let field = (!field.is_empty()).then_some(field);
    Problem { file: file.to_owned(), line: Some(line), object, field, message }
}

fn spec_of(object: &Object) -> Value {
    let value = match object {
        Object::Pool(pool) => serde_json::to_value(&pool.spec),
        Object::Class(class) => serde_json::to_value(&class.spec),
    };
    json!({ "spec": value.unwrap_or_default() })
}
