//! Several manifests as one: no object may stand in two places.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Located, Location, Manifest, Object, Problem};

/// Joins manifests in the order given. An object that stands in two places is a problem whether the two agree
/// or not: an edit of one would be taken back by the other.
pub fn merge(manifests: impl IntoIterator<Item = Manifest>) -> Manifest {
    let mut whole = Manifest::default();
    for manifest in manifests {
        whole.objects.extend(manifest.objects);
        whole.problems.extend(manifest.problems);
        whole.ignored.extend(manifest.ignored);
        whole.named.extend(manifest.named);
    }
    let twice = repeated(&whole);
    whole.problems.extend(twice);
    whole
}

fn repeated(manifest: &Manifest) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &Location> = BTreeMap::new();
    let mut problems = Vec::new();
    for (title, place) in &manifest.named {
        let Some(other) = first.get(title.as_str()) else {
            first.insert(title, place);
            continue;
        };
        let message = match (object_at(manifest, other), object_at(manifest, place)) {
            (Some(one), Some(two)) => described(other, &differences(one, two)),
            _ => format!("it is also at {other}: keep one"),
        };
        let object = Some(title.clone());
        problems.push(Problem { line: Some(place.line), object, ..Problem::of_file(&place.file, message) });
    }
    problems
}

fn object_at<'a>(manifest: &'a Manifest, place: &Location) -> Option<&'a Located> {
    manifest.objects.iter().find(|located| located.place == *place)
}

fn described(other: &Location, differences: &[String]) -> String {
    if differences.is_empty() {
        return format!("it is also at {other}, with the same content: keep one");
    }
    format!("it is also at {other}, and the two disagree in {}: keep one", differences.join(", "))
}

/// The fields of the specs in which two objects of one name differ, at most a few.
fn differences(one: &Located, two: &Located) -> Vec<String> {
    let spec = |located: &Located| match &located.object {
        Object::Pool(pool) => serde_json::to_value(&pool.spec).unwrap_or_default(),
        Object::Class(class) => serde_json::to_value(&class.spec).unwrap_or_default(),
    };
    let mut found = Vec::new();
    differ("spec", &spec(one), &spec(two), &mut found);
    found.truncate(8);
    found
}

fn differ(field: &str, one: &Value, two: &Value, found: &mut Vec<String>) {
    let (Value::Object(one), Value::Object(two)) = (one, two) else {
        if one != two {
            found.push(field.to_owned());
        }
        return;
    };
    let mut names: Vec<&String> = one.keys().chain(two.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let at = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
        differ(&format!("{field}.{name}"), &at(one), &at(two), found);
    }
}
