//! Edits of ranges of a text; every other byte stays as it is.

use std::ops::Range;

use roxmltree::Node;

use crate::document::{Domain, WHITE_SPACE};

/// One level of indentation.
const STEP: &str = "  ";

/// Replacements of ranges that do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub(crate) fn replace(&mut self, range: Range<usize>, by: String) {
        self.0.push((range, by));
    }

    pub(crate) fn remove(&mut self, range: Range<usize>) {
        self.replace(range, String::new());
    }

    pub(crate) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut edited =
            String::with_capacity(text.len() + self.0.iter().map(|(_, by)| by.len()).sum::<usize>());
        let mut at = 0;
        for (range, by) in self.0 {
            edited.push_str(&text[at..range.start]);
            edited.push_str(&by);
            at = range.end;
        }
        edited + &text[at..]
    }
}

/// The line break and white space before an element; empty in a text of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Indentation(String);

impl Indentation {
    pub(crate) fn new(lead: &str) -> Self {
        Self(lead.to_owned())
    }

    /// The indentation of a child.
    pub(crate) fn deeper(&self) -> Self {
        if self.0.is_empty() { self.clone() } else { Self(format!("{}{STEP}", self.0)) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds an element after all children of `parent`; `render` gets its indentation.
pub(crate) fn append(
    domain: &Domain,
    parent: Node,
    render: impl FnOnce(&Indentation) -> String,
    edits: &mut Edits,
) {
    let own = Indentation::new(domain.lead(parent.range().start));
    if let Some(last) = parent.last_element_child() {
        let lead = Indentation::new(domain.lead(last.range().start));
        let end = last.range().end;
        return edits.replace(end..end, format!("{}{}", lead.as_str(), render(&lead)));
    }
    let lead = own.deeper();
    let element = format!("{}{}{}", lead.as_str(), render(&lead), own.as_str());
    let text = &domain.text[parent.range()];
    let (from, by) = match text.strip_suffix("/>") {
        Some(open) if parent.first_child().is_none() => {
            let name = open[1..].split(WHITE_SPACE).next().unwrap_or_default();
            (open.trim_end_matches(WHITE_SPACE).len(), format!(">{element}</{name}>"))
        }
        _ => {
            let close = text.rfind("</").expect("an element that is not empty has an end tag");
            // In a text of several lines the indentation replaces the white space.
            let from = if lead.as_str().is_empty() {
                close
            } else {
                text[..close].trim_end_matches(WHITE_SPACE).len()
            };
            (from, element + &text[close..])
        }
    };
    let Range { start, end } = parent.range();
    edits.replace(start + from..end, by);
}

/// Escapes text or the value of an attribute in single quotes.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            // A parser normalises them in attributes otherwise.
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}
