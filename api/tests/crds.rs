//! The generated definitions: up to date, and acceptable to an API server.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

#[test]
fn committed_definitions_are_the_generated_ones() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
    for (name, text) in api::crd_files() {
        let path = directory.join(&name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let refresh = "entropool crds --dir deploy/crds (or UPDATE=1 with this test)";
        assert!(committed == text, "deploy/crds/{name} is stale; refresh it with: {refresh}");
    }
}

#[test]
fn definitions_use_the_fixed_names() {
    for crd in api::crds() {
        assert_eq!(crd.spec.group, api::names::GROUP);
        assert_eq!(crd.spec.scope, "Cluster");
        assert_eq!(crd.spec.versions.len(), 1);
        let version = &crd.spec.versions[0];
        assert_eq!(format!("{}/{}", crd.spec.group, version.name), api::names::API_VERSION);
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["entropool".to_owned()][..]));
    }
    let short: Vec<_> = api::crds().into_iter().flat_map(|crd| crd.spec.names.short_names.unwrap()).collect();
    assert_eq!(short, ["epool", "eclass"]);
}

#[test]
fn schemas_are_structural() {
    for_each_schema(|path, schema| {
        let combined = [&schema.all_of, &schema.any_of, &schema.one_of];
        assert!(
            combined.iter().all(|none| none.is_none()) && schema.not.is_none(),
            "{path} combines schemas"
        );
        assert!(schema.ref_path.is_none() && schema.schema.is_none(), "{path} refers elsewhere");
        assert!(schema.nullable.is_none(), "{path} is nullable");
        assert!(schema.type_.is_some(), "{path} has no type");
        let both = schema.properties.is_some() && schema.additional_properties.is_some();
        assert!(!both, "{path} has named fields and others");
        assert!(schema.unique_items.is_none(), "{path} uses uniqueItems");
    });
}

#[test]
fn every_string_list_and_map_is_bounded() {
    for_each_schema(|path, schema| {
        let bounded = match schema.type_.as_deref().unwrap() {
            "string" => {
                let time = schema.format.as_deref() == Some("date-time");
                time || schema.max_length.is_some() || schema.enum_.is_some()
            }
            "array" => schema.max_items.is_some(),
            "object" => schema.additional_properties.is_none() || schema.max_properties.is_some(),
            "integer" => !path.contains(".spec") || schema.maximum.is_some(),
            _ => true,
        };
        assert!(bounded, "{path} has no bound");
    });
}

#[test]
fn no_field_of_a_list_item_has_a_default() {
    for_each_schema(|path, schema| {
        assert!(!path.contains("[]") || schema.default.is_none(), "{path} has a default");
    });
}

#[test]
fn every_field_has_a_description() {
    for_each_schema(|path, schema| {
        let item = path.ends_with("[]") || path.ends_with("{}");
        assert!(item || schema.description.is_some(), "{path} has no description");
    });
}

#[test]
fn every_rule_has_a_message() {
    for_each_schema(|path, schema| {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            let message = rule.message.as_deref().unwrap_or_default();
            assert!(message.len() > 15 && !message.contains("self"), "{path}: {}", rule.rule);
        }
    });
}

fn for_each_schema(mut check: impl FnMut(&str, &JSONSchemaProps)) {
    for crd in api::crds() {
        let version = crd.spec.versions.into_iter().next().unwrap();
        let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
        visit(&crd.spec.names.kind, &schema, &mut check);
    }
}

fn visit(path: &str, schema: &JSONSchemaProps, check: &mut impl FnMut(&str, &JSONSchemaProps)) {
    check(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        visit(&format!("{path}.{name}"), property, check);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        visit(&format!("{path}[]"), items, check);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        visit(&format!("{path}{{}}"), values, check);
    }
}
