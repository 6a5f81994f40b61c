//! The page `docs/manifests.md`.

#![cfg_attr(not(test), allow(dead_code))]

use std::fmt::Write;

use super::{Field, Kind, kinds};

const HEAD: &str = "\
# Manifests

*For everyone who writes an `EntropyPool` or an `EntropyClass`, for a cluster or a host.*

Both kinds are of `apiVersion: entropool.io/v1alpha1`. Rates are bytes per time (`64Ki/s`, `64/min`), sizes are bytes (`4Ki`);
`Ki` is 1,024 and `k` is 1,000. All figures are per node. A field without a default may be absent. [objects.md](objects.md) says
what the kinds promise, `entropool explain EntropyPool.spec` shows the same as this page, and `man entropool.yaml` too.

This page is generated from the schema; run `make manifests` after a change.
";

/// The page.
fn page() -> String {
    kinds().iter().fold(HEAD.to_owned(), |page, kind| page + &section(kind))
}

fn section(kind: &Kind) -> String {
    let names = kind.aliases.iter().map(|alias| format!("`{alias}`")).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "\n## {}\n\n{}\n\nkubectl also calls it {names}.\n",
        kind.name,
        escaped(&kind.root.description)
    );
    if let Some(spec) = kind.spec() {
        table(spec, "spec", &mut text);
    }
    text
}

/// The table of an object's fields, then those of the objects below it.
fn table(object: &Field, path: &str, text: &mut String) {
    let list = if object.kind.starts_with("[]") { "[]" } else { "" };
    let path = format!("{path}{list}");
    _ = writeln!(text, "\n### {path}\n\n{}\n", escaped(&object.description));
    for rule in &object.rules {
        _ = writeln!(text, "- Rule: {}.", escaped(rule));
    }
    if !object.rules.is_empty() {
        text.push('\n');
    }
    text.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    for field in &object.fields {
        _ = writeln!(text, "{}", row(field));
    }
    for field in object.fields.iter().filter(|field| !field.fields.is_empty()) {
        table(field, &format!("{path}.{}", field.name), text);
    }
}

fn row(field: &Field) -> String {
    let default = match &field.default {
        Some(default) => format!("`{default}`"),
        None if field.required => "required".to_owned(),
        None => String::new(),
    };
    let leaf = field.fields.is_empty();
    let rules = field.rules.iter().filter(|_| leaf).map(|rule| format!(" Rule: {rule}.")).collect::<String>();
    let meaning = escaped(&format!("{}{rules}", field.description));
    format!("| `{}` | {} | {} | {meaning} |", field.name, field.kind, escaped(&default))
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manifests.md");
        if std::env::var_os("ENTROPOOL_WRITE_PAGES").is_some() {
            std::fs::write(path, page()).expect("the page can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == page(), "docs/manifests.md is stale: make manifests");
    }
}
