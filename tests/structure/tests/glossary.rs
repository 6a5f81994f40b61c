//! `docs/glossary.md` has each name that a user of the programs meets: metrics, reasons and columns, no more and no fewer.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first cells of the tables of a section, without their backticks.
fn rows(section: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let heading = format!("## {section}");
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let cells = lines.take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("| `"));
    let names: Vec<_> = cells.map(|cell| cell.split('`').next().unwrap().to_owned()).collect();
    let set: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(set.len(), names.len(), "a name has two rows in section {section}");
    assert!(!set.is_empty(), "section {section} has no rows");
    set
}

fn assert_same(section: &str, exported: &BTreeSet<String>) {
    let documented = rows(section);
    let missing: Vec<_> = exported.difference(&documented).collect();
    let stale: Vec<_> = documented.difference(exported).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/glossary.md, section {section}: without a row: {missing:?}; no longer in the code: {stale:?}"
    );
}

/// The production files below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(&*name, "tests" | "examples" | "snapshots" | "fuzz" | "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Every production file of the named crates, as tokens without their unit tests.
fn crates(names: &[&str]) -> Vec<Vec<TokenTree>> {
    let mut files = Vec::new();
    for name in names {
        sources(&root().join(name).join("src"), &mut files);
    }
    let tokens = |path: &PathBuf| -> Vec<TokenTree> {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        text.parse::<TokenStream>()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .into_iter()
            .collect()
    };
    files.iter().map(tokens).collect()
}

fn text_of(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    syn::parse_str::<syn::LitStr>(&literal.to_string()).ok().map(|text| text.value())
}

fn is_ident(token: Option<&TokenTree>, word: impl Fn(&str) -> bool) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if word(&ident.to_string()))
}

fn is_camel(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.contains(|letter: char| letter.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// All texts in a group, however deep.
fn texts(stream: TokenStream, found: &mut BTreeSet<String>) {
    for token in stream {
        match &token {
            TokenTree::Group(group) => texts(group.stream(), found),
            token => found.extend(text_of(token)),
        }
    }
}

/// `reason = "Word"` and `reason: "Word"`, the words in functions named `reason` or `…_reason`, the names that the macro
/// `reasons!` lists, and constants named `REASON` or `…_REASON`.
fn reasons(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead);
        if is_ident(Some(token), |word| word == "reason")
            && matches!(next(1), Some(TokenTree::Punct(sign)) if matches!(sign.as_char(), '=' | ':'))
            && let Some(text) = next(2).and_then(text_of)
            && is_camel(&text)
        {
            found.insert(text);
        }
        if is_ident(Some(token), |word| matches!(word, "Nack" | "ConditionEvent"))
            && let Some(TokenTree::Group(arguments)) = next(4)
            && let Some(text) = arguments.stream().into_iter().next().as_ref().and_then(text_of)
            && is_camel(&text)
        {
            found.insert(text);
        }
        if is_ident(Some(token), |word| word == "const")
            && is_ident(next(1), |word| word == "REASON" || word.ends_with("_REASON"))
        {
            let value = tokens[at..]
                .iter()
                .take_while(|token| !matches!(token, TokenTree::Punct(end) if end.as_char() == ';'));
            found.extend(value.filter_map(text_of));
        }
        if is_ident(Some(token), |word| word == "fn")
            && is_ident(next(1), |word| word == "reason" || word.ends_with("_reason"))
        {
            let body = tokens[at..].iter().find_map(|token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
                _ => None,
            });
            let mut words = BTreeSet::new();
            if let Some(body) = body {
                texts(body, &mut words);
            }
            found.extend(words.into_iter().filter(|word| is_camel(word)));
        }
        if is_ident(Some(token), |word| word == "reasons")
            && let (Some(TokenTree::Punct(_)), Some(TokenTree::Group(names))) = (next(1), next(2))
        {
            let idents = names.stream().into_iter().filter_map(|token| match token {
                TokenTree::Ident(ident) => Some(ident.to_string()),
                _ => None,
            });
            found.extend(idents);
        }
        if let TokenTree::Group(group) = token {
            reasons(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
    }
}

/// Whether this is the heading of a table: capitals, with the sign in front that aligns a column to the right.
fn is_heading(text: &str) -> bool {
    let name = text.trim_start_matches('>');
    name.chars().all(|letter| letter.is_ascii_uppercase() || matches!(letter, ' ' | '/'))
        && name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// The headings of tables: arrays of several texts that are all headings, and the column that joins tables.
fn columns(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    for (at, token) in tokens.iter().enumerate() {
        let mut headings = BTreeSet::new();
        if let TokenTree::Group(group) = token {
            let of_array = group.delimiter() == Delimiter::Bracket;
            let of_join = at > 0 && is_ident(tokens.get(at - 1), |word| word == "joined");
            if of_array || of_join {
                headings.extend(group.stream().into_iter().filter_map(|token| text_of(&token)));
            }
            // The first column of a table can be without a heading.
            headings.remove("");
            if (headings.len() > 1 || of_join) && headings.iter().all(|text| is_heading(text)) {
                found.extend(headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()));
            }
        }
        if let TokenTree::Group(group) = token {
            columns(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
    }
}

#[test]
fn every_reason_has_a_row() {
    let crates = crates(&[
        "api",
        "agent",
        "agent/dataplane",
        "agent/egd",
        "agent/source",
        "controller",
        "controller/plan",
        "controller/webhook",
        "delivery",
        "delivery/codec",
        "cli",
        "hook",
    ]);
    let mut found = BTreeSet::from(["Other".to_owned()]);
    for file in &crates {
        reasons(file, &mut found);
    }
    assert_same("Reasons", &found);
}

#[test]
fn every_metric_has_a_row() {
    let mut found = BTreeSet::new();
    for page in ["docs/metrics.md", "docs/controller-metrics.md"] {
        // Another test holds these pages to the programs.
        let page = fs::read_to_string(root().join(page)).unwrap();
        let names = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        found.extend(names.filter(|name| name.starts_with("entropool_")).map(str::to_owned));
    }
    assert_same("Metrics", &found);
}

#[test]
fn every_column_has_a_row() {
    let mut found = BTreeSet::new();
    for file in crates(&["cli"]) {
        columns(&file, &mut found);
    }
    // Printer columns of `kubectl get`, which prints them in capitals.
    for crd in ["entropypools", "entropyclasses"] {
        let path = root().join(format!("deploy/crds/{crd}.yaml"));
        let crd = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = crd.lines().skip_while(|line| !line.contains("additionalPrinterColumns")).skip(1);
        let lines =
            lines.take_while(|line| line.trim_start().starts_with("- ") || line.starts_with("      "));
        found.extend(
            lines
                .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("name: "))
                .map(str::to_uppercase),
        );
    }
    assert_same("Columns", &found);
}
