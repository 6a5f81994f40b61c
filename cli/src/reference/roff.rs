//! The manual page entropool.yaml(5).

use std::fmt::Write;

use super::{Field, Kind, kinds};

/// The name of the page's file.
pub(crate) const NAME: &str = "entropool.yaml.5";

/// The page.
pub(crate) fn manual_page() -> String {
    let mut page = format!(
        ".TH entropool.yaml 5 \"\" \"entropool {}\" \"entropool\"\n\
         .SH NAME\nentropool.yaml \\- manifests of entropy pools and classes\n\
         .SH SYNOPSIS\n/etc/entropool/*.yaml, *.yml, *.json\n\
         .SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    page += &paragraph(
        "The daemon reads all manifests in the directories that it is given, and applies a change within a second. They are \
         the objects that kubectl apply takes in a cluster. A file may have several documents. Rates are bytes per time \
         (64Ki/s, 64/min), sizes are bytes (4Ki); Ki is 1024 and k is 1000.",
    );
    page += ".SH EXAMPLE\n.nf\n";
    page += &escaped(EXAMPLE);
    page += ".fi\n";
    for kind in kinds() {
        page += &section(&kind);
    }
    page + ".SH SEE ALSO\n.BR entropool (1),\n.BR entropool\\-run (1),\n.BR entropool\\-explain (1)\n"
}

const EXAMPLE: &str = "\
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 16Ki/s, ceil: 32Ki/s}
";

fn section(kind: &Kind) -> String {
    let mut text = format!(".SH {}\n{}", kind.name.to_uppercase(), paragraph(&kind.root.description));
    if let Some(spec) = kind.spec() {
        fields(spec, "spec", &mut text);
    }
    text
}

fn fields(object: &Field, path: &str, text: &mut String) {
    let list = if object.kind.starts_with("[]") { "[]" } else { "" };
    let path = format!("{path}{list}");
    _ = writeln!(text, ".SS {}", escaped(&path));
    text.push_str(&object.rules.iter().map(|rule| paragraph(&format!("Rule: {rule}."))).collect::<String>());
    for field in &object.fields {
        let required = if field.required { ", required" } else { "" };
        _ = writeln!(text, ".TP\n\\fB{}\\fR <{}>{required}", escaped(&field.name), escaped(&field.kind));
        text.push_str(&paragraph(&described(field)));
    }
    for field in object.fields.iter().filter(|field| !field.fields.is_empty()) {
        fields(field, &format!("{path}.{}", field.name), text);
    }
}

fn described(field: &Field) -> String {
    // Most descriptions say it.
    let unsaid = field.default.iter().filter(|_| !field.description.contains("Defaults to"));
    let default = unsaid.map(|default| format!(" Default: {default}."));
    let rules = field.rules.iter().filter(|_| field.fields.is_empty()).map(|rule| format!(" Rule: {rule}."));
    field.description.clone() + &default.chain(rules).collect::<String>()
}

fn paragraph(text: &str) -> String {
    escaped(text) + "\n"
}

/// No line is taken for a command, and a backslash is one.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
        let line = if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line };
        line + "\n"
    };
    text.lines().map(line).collect::<String>().trim_end().to_owned()
        + if text.ends_with('\n') { "\n" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_field_of_both_kinds() {
        let page = manual_page();
        for part in
            [".SS spec.sources[].device\n", "\\fBminEntropyPerByte\\fR <string>", ".SH ENTROPYCLASS\n"]
        {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_line_that_begins_with_a_dot_is_no_command() {
        assert_eq!(escaped(".rate\\s\n"), "\\&.rate\\es\n");
    }
}
