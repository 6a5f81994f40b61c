//! Merges manifests, and finds objects that are defined twice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::objects::{Located, Location, Manifest, Object, Problem};

/// Merges manifests in the given order. An object that is defined twice is a problem even if both definitions are
/// equal, because the second one would undo an edit of the first.
pub fn merge(manifests: impl IntoIterator<Item = Manifest>) -> Manifest {
    let mut merged = Manifest::default();
    for manifest in manifests {
        merged.objects.extend(manifest.objects);
        merged.problems.extend(manifest.problems);
        merged.ignored.extend(manifest.ignored);
        merged.titles.extend(manifest.titles);
    }
    let duplicates = duplicates(&merged);
    merged.problems.extend(duplicates);
    merged
}

fn duplicates(manifest: &Manifest) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &Location> = BTreeMap::new();
    let mut problems = Vec::new();
    for (title, location) in &manifest.titles {
        let Some(other) = first.get(title.as_str()) else {
            first.insert(title, location);
            continue;
        };
        let message = match (object_at(manifest, other), object_at(manifest, location)) {
            (Some(one), Some(two)) => describe(other, &differences(one, two)),
            _ => format!("also defined at {other}: remove one"),
        };
        let object = Some(title.clone());
        problems.push(Problem {
            line: Some(location.line),
            object,
            ..Problem::in_file(&location.file, message)
        });
    }
    problems
}

fn object_at<'a>(manifest: &'a Manifest, location: &Location) -> Option<&'a Located> {
    manifest.objects.iter().find(|located| located.location == *location)
}

fn describe(other: &Location, differences: &[String]) -> String {
    if differences.is_empty() {
        return format!("also defined at {other} with the same content: remove one");
    }
    format!("also defined at {other}, and the two differ in {}: remove one", differences.join(", "))
}

/// The fields in which the specs of two objects differ, at most eight.
fn differences(one: &Located, two: &Located) -> Vec<String> {
    let spec = |located: &Located| match &located.object {
        Object::Pool(pool) => serde_json::to_value(&pool.spec).unwrap_or_default(),
        Object::Class(class) => serde_json::to_value(&class.spec).unwrap_or_default(),
    };
    let mut fields = Vec::new();
    collect_differences("spec", &spec(one), &spec(two), &mut fields);
    fields.truncate(8);
    fields
}

fn collect_differences(field: &str, one: &Value, two: &Value, fields: &mut Vec<String>) {
    let (Value::Object(one), Value::Object(two)) = (one, two) else {
        if one != two {
            fields.push(field.to_owned());
        }
        return;
    };
    let mut names: Vec<&String> = one.keys().chain(two.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let value = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        collect_differences(&format!("{field}.{name}"), &value(one), &value(two), fields);
    }
}
