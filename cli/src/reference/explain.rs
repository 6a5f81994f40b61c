//! `explain EntropyPool.spec.sources`, in the form of kubectl's.

use std::fmt::Write;

use anyhow::{Result, anyhow};

use super::{Field, Kind, kinds};
use crate::output::wrapped;

const INDENT: usize = 4;

/// Whether `path` begins with the name of a kind, in any spelling that kubectl takes.
pub(crate) fn is_kind(path: &str) -> bool {
    find(&kinds(), path).is_some()
}

/// What the schema says of a field, and of the fields below it.
pub(crate) fn explain(path: &str, recursive: bool, width: usize) -> Result<String> {
    let kinds = kinds();
    let kind = find(&kinds, path).ok_or_else(|| anyhow!("{path} is not a kind of entropool's"))?;
    let names: Vec<_> = path.split('.').skip(1).collect();
    let field = kind.root.at(&names).map_err(|sentence| anyhow!("{path}: {sentence}"))?;
    Ok(page(kind, field, recursive, width))
}

fn find<'a>(kinds: &'a [Kind], path: &str) -> Option<&'a Kind> {
    let name = path.split('.').next().unwrap_or_default().to_ascii_lowercase();
    kinds.iter().find(|kind| kind.name.eq_ignore_ascii_case(&name) || kind.aliases.contains(&name))
}

fn page(kind: &Kind, field: &Field, recursive: bool, width: usize) -> String {
    let mut page =
        format!("GROUP:      {}\nKIND:       {}\nVERSION:    {}\n", kind.group, kind.name, kind.version);
    if !field.name.is_empty() {
        _ = writeln!(page, "\nFIELD: {} <{}>", field.name, field.kind);
    }
    page += &format!("\nDESCRIPTION:\n{}", described(field, width));
    if field.fields.is_empty() {
        return page;
    }
    page += "\nFIELDS:\n";
    if recursive {
        names(&field.fields, 2, &mut page);
        return page;
    }
    for below in &field.fields {
        _ = write!(page, "{}{}\n", head(below, 2), described(below, width));
    }
    page
}

fn head(field: &Field, indent: usize) -> String {
    let required = if field.required { " -required-" } else { "" };
    format!("{:indent$}{} <{}>{required}\n", "", field.name, field.kind)
}

/// Description, allowed values, default and rules.
fn described(field: &Field, width: usize) -> String {
    let mut text = wrapped(&field.description, width, INDENT);
    if !field.allowed.is_empty() {
        text += &wrapped(&format!("enum: {}", field.allowed.join(", ")), width, INDENT);
    }
    if let Some(default) = &field.default {
        text += &wrapped(&format!("default: {default}"), width, INDENT);
    }
    for rule in &field.rules {
        text += &wrapped(&format!("rule: {rule}"), width, INDENT);
    }
    text
}

fn names(fields: &[Field], indent: usize, page: &mut String) {
    for field in fields {
        page.push_str(&head(field, indent));
        names(&field.fields, indent + 2, page);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_field_is_explained_as_kubectl_does() {
        insta::assert_snapshot!(explain("EntropyPool.spec.sources.device", false, 80).unwrap());
    }

    #[test]
    fn every_name_of_a_kind_is_known() {
        for name in ["EntropyPool", "entropypool", "entropypools", "epool", "EPOOL.spec"] {
            assert!(is_kind(name), "{name}");
        }
        assert!(!is_kind("web-1") && !is_kind("web.spec"));
    }

    #[test]
    fn a_wrong_field_is_told_with_those_that_exist() {
        let sentence = explain("eclass.spec.perVM.raet", false, 80).unwrap_err().to_string();
        assert_eq!(
            sentence,
            "eclass.spec.perVM.raet: there is no field raet here; there is burst, cburst, ceil, maxConnections, rate"
        );
    }

    #[test]
    fn all_fields_below_are_listed_on_request() {
        let page = explain("eclass.spec", true, 80).unwrap();
        assert!(page.contains("\n  perVM <Object>\n    burst <string>\n"), "{page}");
    }
}
