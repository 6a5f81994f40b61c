//! The chart: its values, what Helm makes of them, and what an API server makes of that.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod applied;
mod documented;
mod effects;
mod refusals;
mod rendered;
mod snapshots;

use std::fs;
use std::path::PathBuf;

use entropool_tests::cluster::{chart, rendered as text};
use serde_json::Value;

/// The objects of a stream of manifests.
fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").filter(|it| it.lines().any(|line| line.starts_with("kind:")));
    documents.map(|document| serde_yaml::from_str(document).unwrap()).collect()
}

/// All objects, with these values.
fn render(values: &[&str]) -> Vec<Value> {
    objects(&text(values).unwrap())
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The sets of values that stand for five kinds of users; together they set every value.
fn sets() -> Vec<PathBuf> {
    let files = fs::read_dir(chart().join("ci")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files.len(), 5, "{files:?}");
    files
}

/// The name of a set.
fn name(set: &std::path::Path) -> String {
    set.file_stem().unwrap().to_str().unwrap().trim_end_matches("-values").to_owned()
}

/// What the schema says of each value that has no values below it, by its path as a pointer.
fn leaves() -> Vec<(String, Value)> {
    fn collect(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        for (key, below) in schema["properties"].as_object().unwrap() {
            let path = format!("{path}/{key}");
            if path == "/global" {
                continue;
            }
            let section = below["properties"]
                .as_object()
                .is_some_and(|all| all.values().all(|one| one["description"].is_string()));
            if section {
                collect(&path, below, found);
            } else {
                found.push((path, below.clone()));
            }
        }
    }
    let mut found = Vec::new();
    collect("", &schema(), &mut found);
    found
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}
