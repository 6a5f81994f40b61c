//! What may not become of an object that is already in force.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::cel::compares;
use super::document::DocumentReader;
use super::{Located, Object, Problem};

impl DocumentReader {
    /// The rules that compare an object with what it was.
    pub(super) fn transition(&self, old: &Object, new: &Located) -> Vec<Problem> {
        let (Some(schema), true) = (self.schemas.get(new.object.kind()), old.title() == new.object.title())
        else {
            return Vec::new();
        };
        let mut broken = Vec::new();
        self.compare(schema, &spec_of(old), &spec_of(&new.object), "", &mut broken);
        broken
            .into_iter()
            .map(|(field, message)| Problem {
                file: new.place.file.clone(),
                line: Some(new.place.line),
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
        broken: &mut Vec<(String, String)>,
    ) {
        for rule in schema.x_kubernetes_validations.iter().flatten().filter(|rule| compares(rule)) {
            if !self.rules.holds(rule, new, Some(old)) {
                broken.push((
                    field.trim_start_matches('.').to_owned(),
                    rule.message.clone().unwrap_or_default(),
                ));
            }
        }
        for (name, property) in schema.properties.iter().flatten() {
            if let (Some(old), Some(new)) = (old.get(name), new.get(name)) {
                self.compare(property, old, new, &format!("{field}.{name}"), broken);
            }
        }
    }
}

fn spec_of(object: &Object) -> Value {
    let value = match object {
        Object::Pool(pool) => serde_json::to_value(&pool.spec),
        Object::Class(class) => serde_json::to_value(&class.spec),
    };
    json!({ "spec": value.unwrap_or_default() })
}
