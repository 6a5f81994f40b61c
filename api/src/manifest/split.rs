//! One text into documents, so that what is broken in one hides nothing in the next.

/// The largest manifest that is looked at: more than etcd would keep, and little enough to be read at once.
pub(super) const MOST: usize = 8 << 20;

/// One document's text.
pub(super) struct RawDocument<'a> {
    /// The text, with the `---` that opens it.
    pub(super) text: &'a str,
    /// The lines before it in the file.
    pub(super) lines_before: u32,
}

/// The documents of a text. YAML forbids `---` at the start of a line anywhere but between documents, so no
/// parser is needed to find them.
pub(super) fn documents(text: &str) -> Vec<RawDocument<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut start, mut lines_before) = (0, 0);
    let mut offset = 0;
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        if offset > start && opens(line) {
            parts.push(RawDocument { text: &text[start..offset], lines_before });
            (start, lines_before) = (offset, number);
        }
        offset += line.len();
    }
    parts.push(RawDocument { text: &text[start..], lines_before });
    parts.retain(|part| part.text.lines().any(says_something));
    parts
}

fn opens(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line is more than a blank, a comment, a directive or a bare marker.
fn says_something(line: &str) -> bool {
    let line = if opens(line) { &line[3..] } else { line };
    let line = line.trim();
    !(line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "...")
}
