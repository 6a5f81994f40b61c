//! An edit as a person reads it.

use std::fmt::Write;

use super::{DiffLine, ManifestDiff};
use crate::render::Table;

/// What would change, then what would be refused, then what is worth knowing.
pub(crate) fn table(edit: &ManifestDiff) -> String {
    let several = edit.changes.iter().any(|line| line.nodes.len() > 1)
        || edit.changes.windows(2).any(|pair| pair[0].nodes != pair[1].nodes);
    let mut text = if several { with_nodes(&edit.changes) } else { without_nodes(&edit.changes) };
    section(&mut text, "Would be refused, and change nothing:", &edit.refused);
    section(&mut text, "Worth knowing:", &edit.noted);
    text
}

const NOTHING: &str = "Nothing would change.";

fn without_nodes(lines: &[DiffLine]) -> String {
    let mut table = Table::new(&["POOL", "CLASS", "EFFECT", "WHAT"]);
    for line in lines {
        let [pool, class, effect, what] = cells(line);
        table.row([pool, class, effect, what]);
    }
    table.or(NOTHING)
}

fn with_nodes(lines: &[DiffLine]) -> String {
    let mut table = Table::new(&["POOL", "CLASS", ">NODES", "EFFECT", "WHAT"]);
    for line in lines {
        let [pool, class, effect, what] = cells(line);
        table.row([pool, class, line.nodes.len().to_string(), effect, what]);
    }
    table.or(NOTHING)
}

fn cells(line: &DiffLine) -> [String; 4] {
    let class = line.class.clone().unwrap_or_default();
    [line.pool.clone(), class, line.effect.to_string(), line.fields.join(", ")]
}

fn section(text: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    text.push('\n');
    text.push_str(title);
    text.push('\n');
    for sentence in sentences {
        let _ = writeln!(text, "  {sentence}");
    }
}
