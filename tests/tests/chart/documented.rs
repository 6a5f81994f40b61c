//! Each value has a sentence: in the schema, above its default, and in the chart's README.

use std::fmt::Write;
use std::fs;

use entropool_tests::cluster::{chart, helm, said};
use serde_json::Value;

use super::{leaves, schema};

/// A key of values.yaml with the comment above it.
struct Documented {
    pointer: String,
    comment: String,
}

/// The keys of values.yaml that are values of the chart, in their order.
fn documented() -> Vec<Documented> {
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let schema = schema();
    let (mut parents, mut comment, mut found) = (Vec::<(usize, String)>::new(), String::new(), Vec::new());
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(words) = trimmed.strip_prefix("# ") {
            comment = if comment.is_empty() { words.to_owned() } else { format!("{comment} {words}") };
            continue;
        }
        let key = trimmed.split(':').next().unwrap();
        parents.retain(|(other, _)| *other < indent);
        let parent = parents.last().map_or("", |(_, pointer)| pointer.as_str());
        let in_schema = format!("{}/properties/{key}", parent.replace('/', "/properties/"));
        // A default of several lines has keys of its own.
        if schema.pointer(&in_schema).is_some_and(|found| found["description"].is_string()) {
            let pointer = format!("{parent}/{key}");
            found.push(Documented { pointer: pointer.clone(), comment: std::mem::take(&mut comment) });
            parents.push((indent, pointer));
        }
        comment.clear();
    }
    found
}

fn described<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    schema.pointer(&pointer.replace('/', "/properties/")).unwrap()
}

#[test]
fn each_value_has_one_sentence_in_the_schema_and_above_its_default() {
    let (schema, documented) = (schema(), documented());
    for one in &documented {
        let description = described(&schema, &one.pointer)["description"].as_str().unwrap();
        assert_eq!(one.comment, description, "{}", one.pointer);
        assert!(description.ends_with('.') && description.len() > 10, "{}: {description}", one.pointer);
    }
    for (pointer, _) in leaves() {
        assert!(documented.iter().any(|one| one.pointer == pointer), "{pointer} is not in values.yaml");
    }
}

#[test]
fn no_object_takes_keys_that_it_does_not_know() {
    fn check(at: &str, schema: &Value) {
        if schema["properties"].is_object() && schema["type"] == "object" {
            assert_eq!(schema["additionalProperties"], false, "{at}");
        }
        match schema {
            Value::Object(all) => all.iter().for_each(|(key, below)| check(&format!("{at}/{key}"), below)),
            Value::Array(all) => all.iter().for_each(|below| check(at, below)),
            _ => {}
        }
    }
    check("", &schema());
}

#[test]
fn the_readme_lists_all_values() {
    let path = chart().join("README.md");
    let defaults: Value =
        serde_yaml::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let leaves = leaves();
    let mut table = "\n| value | default | what |\n|---|---|---|\n".to_owned();
    for Documented { pointer, comment } in documented() {
        if leaves.iter().all(|(leaf, _)| *leaf != pointer) {
            continue;
        }
        let name = pointer[1..].replace('/', ".");
        let default = defaults.pointer(&pointer).unwrap_or(&Value::Null);
        let _ = writeln!(table, "| `{name}` | `{default}` | {} |", comment.replace('|', "\\|"));
    }
    let readme = fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once("<!-- values -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- end -->\n").unwrap();
    let fresh = format!("{head}<!-- values -->\n{table}\n<!-- end -->\n{tail}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let stale = "charts/entropool/README.md is stale: UPDATE=1 with this test writes it";
    assert!(fs::read_to_string(&path).unwrap() == fresh, "{stale}");
}

#[test]
fn helm_lint_is_content_with_every_set_of_values() {
    for set in super::sets() {
        said(helm().unwrap().args(["lint", "--strict", "--quiet", "--values"]).arg(set).arg(chart()))
            .unwrap();
    }
    said(helm().unwrap().args(["lint", "--strict", "--quiet"]).arg(chart())).unwrap();
}

#[test]
fn the_icon_is_the_one_that_lies_beside_the_chart_and_no_url_is_invented() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about: Value = serde_yaml::from_str(&text).unwrap();
    let icon = about["icon"].as_str().unwrap().strip_prefix("data:image/svg+xml;base64,").unwrap();
    let icon = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, icon).unwrap();
    assert_eq!(icon, fs::read(chart().join("icon.svg")).unwrap());
    assert!(!text.contains("http"), "{text}");
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    assert!(about["maintainers"][0]["name"].is_string());
}

#[test]
fn files_that_the_chart_has_as_well_are_the_same() {
    let files = [("files/crds", "deploy/crds"), ("files/dashboards", "deploy/monitoring/dashboards")];
    let root = chart().join("../..");
    for (copy, original) in files {
        let names = |directory| {
            let mut names: Vec<_> =
                fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let (copy, original) = (chart().join(copy), root.join(original));
        assert_eq!(names(&copy), names(&original));
        for name in names(&copy) {
            let same = fs::read(copy.join(&name)).unwrap() == fs::read(original.join(&name)).unwrap();
            assert!(same, "copy {} to {}", original.join(&name).display(), copy.display());
        }
    }
    let same = fs::read(chart().join("files/rules.yaml")).unwrap()
        == fs::read(root.join("deploy/monitoring/rules.yaml")).unwrap();
    assert!(same, "copy deploy/monitoring/rules.yaml to charts/entropool/files");
}
