//! One document: what it is, and whether it is right.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::CustomResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cel::Rules;
use super::split::RawDocument;
use super::suggest::nearest;
use super::tree::{YamlNode, YamlValue};
use super::walk::{SchemaError, Walk};
use super::{Located, Location, Manifest, Object, Problem, metadata, yaml};
use crate::crd::{crds, schema};
use crate::names::{API_VERSION, GROUP};
use crate::{EntropyClass, EntropyPool};

/// Judges documents by the schemas of both kinds.
pub(super) struct DocumentReader {
    pub(super) rules: Rules,
    pub(super) schemas: BTreeMap<String, JSONSchemaProps>,
}

/// What a document says it is.
enum Claim<'a> {
    /// One of ours.
    Ours(&'a str),
    /// Somebody else's.
    Foreign(String),
    /// A list of objects, as `kubectl get -o yaml` writes.
    List,
    /// Neither can be told.
    Unclear(SchemaError),
}

impl DocumentReader {
    /// Asks this thread's: to make one takes longer than most of what it is asked.
    pub(super) fn ask<T>(question: impl FnOnce(&Self) -> T) -> T {
        thread_local!(static JUDGE: DocumentReader = DocumentReader::new());
        JUDGE.with(question)
    }

    /// With the schemas that a cluster gets.
    fn new() -> Self {
        let schemas = crds().into_iter().filter_map(|crd| {
            let kind = crd.spec.names.kind.clone();
            let mut schema = schema(crd)?;
            let properties = schema.properties.get_or_insert_default();
            properties.insert("metadata".to_owned(), metadata::schema());
            for text in ["apiVersion", "kind"] {
                let text_schema =
                    JSONSchemaProps { type_: Some("string".to_owned()), ..JSONSchemaProps::default() };
                properties.insert(text.to_owned(), text_schema);
            }
            // A manifest does not decide it: whatever stands there is dropped unseen.
            properties.insert("status".to_owned(), JSONSchemaProps::default());
            schema.required.get_or_insert_default().push("metadata".to_owned());
            Some((kind, schema))
        });
        Self { rules: Rules::new(), schemas: schemas.collect() }
    }

    /// Reads one document into the manifest.
    pub(super) fn read(&self, file: &str, part: &RawDocument<'_>, manifest: &mut Manifest) {
        match yaml::read(part) {
            Ok(node) => self.node(file, &node, manifest),
            Err(error) => manifest.problems.push(Problem {
                line: error.line,
                ..Problem::of_file(file, format!("this is not YAML: {}", error.message))
            }),
        }
    }

    fn node(&self, file: &str, node: &YamlNode, manifest: &mut Manifest) {
        if matches!(node.value, YamlValue::Null) {
            return;
        }
        match self.claim(node) {
            Claim::Ours(kind) => self.object(file, kind, node, manifest),
            Claim::List => node.get("items").map_or(&[][..], YamlNode::items).iter().for_each(|item| {
                self.node(file, item, manifest);
            }),
            Claim::Foreign(message) => {
                manifest.ignored.push(Problem {
                    line: Some(node.line),
                    object: title(node),
                    ..Problem::of_file(file, message)
                });
            }
            Claim::Unclear(finding) => manifest.problems.push(problem(file, title(node), finding)),
        }
    }

    fn claim<'a>(&self, node: &'a YamlNode) -> Claim<'a> {
        let unclear = |field: &str, message: String| {
            let line = node.get(field).unwrap_or(node).line;
            Claim::Unclear(SchemaError { field: field.to_owned(), line, message })
        };
        if !matches!(node.value, YamlValue::Map(_)) {
            let message = "this is no object: a document starts with apiVersion and kind".to_owned();
            return Claim::Unclear(SchemaError { field: String::new(), line: node.line, message });
        }
        let text = |field: &str| node.get(field).and_then(YamlNode::text).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let ours = self.schemas.contains_key(kind);
        match (version, kind) {
            ("", _) => unclear("apiVersion", format!("it is needed and missing: write {API_VERSION}")),
            (_, "") => unclear("kind", format!("it is needed and missing: write {}", self.kinds())),
            (API_VERSION, "EntropyPoolList" | "EntropyClassList") | ("v1", "List") => Claim::List,
            (API_VERSION, _) if ours => Claim::Ours(kind),
            (API_VERSION, _) => match nearest(kind, self.schemas.keys().map(String::as_str)) {
                Some(meant) => unclear("kind", format!("{GROUP} has no kind {kind}; did you mean {meant}?")),
                None => unclear("kind", format!("{GROUP} has no kind {kind}; write {}", self.kinds())),
            },
            _ if ours || group(version) == GROUP => {
                unclear("apiVersion", format!("{version} is not known here; write {API_VERSION}"))
            }
            _ => Claim::Foreign(format!("ignored: {version} {kind} is not of {GROUP}")),
        }
    }

    fn kinds(&self) -> String {
        self.schemas.keys().map(String::as_str).collect::<Vec<_>>().join(" or ")
    }

    fn object(&self, file: &str, kind: &str, node: &YamlNode, manifest: &mut Manifest) {
        let title = title(node);
        let place = Location { file: file.to_owned(), line: node.line };
        if let Some(title) = &title
            && title.contains(' ')
        {
            manifest.named.push((title.clone(), place.clone()));
        }
        let mut walk = Walk::new(&self.rules);
        let value = self.schemas.get(kind).map_or(Value::Null, |schema| walk.value(schema, node, ""));
        if walk.findings.is_empty() {
            match typed(kind, value) {
                Ok(object) => return manifest.objects.push(Located { object, place }),
                Err(message) => {
                    walk.findings.push(SchemaError { field: String::new(), line: node.line, message });
                }
            }
        }
        manifest
            .problems
            .extend(walk.findings.into_iter().map(|finding| problem(file, title.clone(), finding)));
    }
}

fn typed(kind: &str, mut value: Value) -> Result<Object, String> {
    metadata::keep_own(&mut value);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if kind == EntropyPool::api_resource().kind {
        decoded(value).map(|pool: EntropyPool| Object::Pool(Box::new(pool)))
    } else {
        decoded(value).map(|class: EntropyClass| Object::Class(Box::new(class)))
    }
}

/// The schema admits nothing that the types refuse; should it ever, that is a sentence and not a crash.
fn decoded<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("it cannot be read: {error}"))
}

/// Kind and name, as far as they are there.
fn title(node: &YamlNode) -> Option<String> {
    let kind = node.get("kind")?.text()?;
    let name = node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(YamlNode::text);
    let name = name.filter(|name| !name.is_empty());
    Some(name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")))
}

fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

fn problem(file: &str, object: Option<String>, finding: SchemaError) -> Problem {
    let SchemaError { field, line, message } = finding;
    let field = (!field.is_empty()).then_some(field);
    Problem { file: file.to_owned(), line: Some(line), object, field, message }
}
