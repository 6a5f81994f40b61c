//! What an edit of manifests would change: the configurations of all nodes before and after it, compared.

mod effect;

use std::collections::BTreeMap;
use std::fmt::Write;

use agent::config_changes;
use delivery::NodeConfig;
use serde::Serialize;

use crate::output::Table;
use effect::DiffEffect;

/// The changes by an edit that is not applied yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ManifestDiff {
    /// Pools by name, each before its classes.
    pub(crate) changes: Vec<DiffLine>,
    /// One sentence per rule that the edit breaks. A refused object changes nothing.
    pub(crate) refused: Vec<String>,
    /// One sentence per file of which only a part is accepted.
    #[serde(rename = "partlyAccepted", skip_serializing_if = "Vec::is_empty")]
    pub(crate) partly_accepted: Vec<String>,
    /// One sentence per warning.
    pub(crate) noted: Vec<String>,
}

/// The change of one pool or class on some nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DiffLine {
    pub(crate) pool: String,
    /// `null` is the pool itself.
    pub(crate) class: Option<String>,
    pub(crate) effect: DiffEffect,
    /// As `rate 64Ki/s -> 32Ki/s`; empty for what is added or removed.
    pub(crate) fields: Vec<String>,
    /// The nodes on which this same change happens.
    pub(crate) nodes: Vec<String>,
}

impl ManifestDiff {
    /// Compares each node's configuration before and after.
    pub(crate) fn of<'a>(nodes: impl IntoIterator<Item = (&'a str, &'a NodeConfig, &'a NodeConfig)>) -> Self {
        let mut lines = BTreeMap::<_, Vec<String>>::new();
        for (node, old, new) in nodes {
            for change in config_changes(old, new) {
                let effect = DiffEffect::of(old, new, &change);
                let key = (change.pool, change.class, effect, change.what.fields());
                lines.entry(key).or_default().push(node.to_owned());
            }
        }
        let line = |((pool, class, effect, fields), nodes)| DiffLine { pool, class, effect, fields, nodes };
        Self { changes: lines.into_iter().map(line).collect(), ..Self::default() }
    }
}

/// The changes, then what would be refused, then the warnings.
pub(crate) fn table(diff: &ManifestDiff) -> String {
    let several = diff.changes.iter().any(|line| line.nodes.len() > 1)
        || diff.changes.windows(2).any(|pair| pair[0].nodes != pair[1].nodes);
    let mut text = if several { with_nodes(&diff.changes) } else { without_nodes(&diff.changes) };
    section(&mut text, "Would be refused, and change nothing:", &diff.refused);
    section(&mut text, "Accepted in part:", &diff.partly_accepted);
    section(&mut text, "Warnings:", &diff.noted);
    text
}

const NO_CHANGES: &str = "Nothing would change.";

fn without_nodes(lines: &[DiffLine]) -> String {
    let mut table = Table::new(&["POOL", "CLASS", "EFFECT", "WHAT"]);
    for line in lines {
        table.row(cells(line));
    }
    table.or(NO_CHANGES)
}

fn with_nodes(lines: &[DiffLine]) -> String {
    let mut table = Table::new(&["POOL", "CLASS", ">NODES", "EFFECT", "WHAT"]);
    for line in lines {
        let [pool, class, effect, fields] = cells(line);
        table.row([pool, class, line.nodes.len().to_string(), effect, fields]);
    }
    table.or(NO_CHANGES)
}

fn cells(line: &DiffLine) -> [String; 4] {
    let class = line.class.clone().unwrap_or_default();
    [line.pool.clone(), class, line.effect.to_string(), line.fields.join(", ")]
}

fn section(text: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for sentence in sentences {
        let _ = writeln!(text, "  {sentence}");
    }
}
