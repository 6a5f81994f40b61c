//! Changes to a text by ranges of bytes, so that what is in none of them stays as it is.

use std::ops::Range;

use roxmltree::Node;

use crate::document::{BLANK, Domain};

/// What a level of indentation adds where the text has any.
const STEP: &str = "  ";

/// Changes to a text, none of which overlaps another.
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

/// What stands before an element on its line, line break included; nothing in a text that is all on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Indentation(String);

impl Indentation {
    pub(crate) fn new(lead: &str) -> Self {
        Self(lead.to_owned())
    }

    /// That of a child.
    pub(crate) fn deeper(&self) -> Self {
        if self.0.is_empty() { self.clone() } else { Self(format!("{}{STEP}", self.0)) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Puts an element behind all children of `parent`; `render` is told what stands before it.
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
            let name = open[1..].split(BLANK).next().unwrap_or_default();
            (open.trim_end_matches(BLANK).len(), format!(">{element}</{name}>"))
        }
        _ => {
            let close = text.rfind("</").expect("an element that is not empty has an end tag");
            // Where there are lines, those of the layout replace what was blank.
            let from =
                if lead.as_str().is_empty() { close } else { text[..close].trim_end_matches(BLANK).len() };
            (from, element + &text[close..])
        }
    };
    let Range { start, end } = parent.range();
    edits.replace(start + from..end, by);
}

/// As the value of an attribute between single quotes, or as text.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            // Else an attribute's reader takes them for spaces, and a text's loses the first.
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}
