//! Splits a manifest into documents and parses each into a tree. No other file uses the YAML parser.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use serde_yaml::options::DuplicateKeyPolicy;

use super::tree::{YamlEntry, YamlNode, YamlValue};

/// Why a document is not valid YAML, and in which line of the file.
pub(super) struct YamlError {
    pub(super) line: Option<u32>,
    pub(super) message: String,
}

/// The largest manifest that is parsed: more than etcd would store, and small enough to be read at once.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// The text of a document.
pub(super) struct RawDocument<'a> {
    /// Includes the `---` that starts it.
    text: &'a str,
    /// The number of lines before it in the file.
    lines_before: u32,
}

/// Splits a text into documents, so that an error in one does not hide errors in the next. YAML allows `---` at the
/// start of a line only between documents, so that no parser is needed to find them.
pub(super) fn documents(text: &str) -> Vec<RawDocument<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut start, mut lines_before) = (0, 0);
    let mut offset = 0;
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        if offset > start && starts_document(line) {
            parts.push(RawDocument { text: &text[start..offset], lines_before });
            (start, lines_before) = (offset, number);
        }
        offset += line.len();
    }
    parts.push(RawDocument { text: &text[start..], lines_before });
    parts.retain(|part| part.text.lines().any(has_content));
    parts
}

fn starts_document(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line is more than white space, a comment, a directive or a marker.
fn has_content(line: &str) -> bool {
    let line = if starts_document(line) { &line[3..] } else { line };
    let line = line.trim();
    !(line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "...")
}

pub(super) fn parse(part: &RawDocument<'_>) -> Result<YamlNode, YamlError> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // Far more than a manifest written by hand needs, and far less than would keep the parser busy.
        budget: serde_yaml::budget! { max_events: 200_000, max_aliases: 1_000, max_anchors: 1_000, max_depth: 48 },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 16 },
    };
    let mut node: YamlNode = serde_yaml::from_str_with_options(part.text, options).map_err(|error| {
        let line = error.location().and_then(|location| u32::try_from(location.line()).ok());
        let message = without_location(&error.without_snippet().to_string());
        YamlError { line: line.map(|line| line + part.lines_before), message }
    })?;
    node.shift(part.lines_before);
    Ok(node)
}

/// The parser's message without the location, which is reported separately and is relative to the document.
fn without_location(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default().trim();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first[..end].to_owned()
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<YamlValue>::deserialize(deserializer)?;
        Ok(Self { line: line(referenced), value })
    }
}

fn line(location: serde_yaml::Location) -> u32 {
    u32::try_from(location.line()).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for YamlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

#[expect(clippy::cast_precision_loss, reason = "only integers above every limit lose precision")]
impl<'de> Visitor<'de> for TreeVisitor {
    type Value = YamlValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_none<E: Error>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlValue, D::Error> {
        YamlValue::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<YamlValue, E> {
        Ok(YamlValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<YamlValue, E> {
        Ok(YamlValue::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<YamlValue, E> {
        Ok(i64::try_from(value).map_or(YamlValue::Float(value as f64), YamlValue::Int))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<YamlValue, E> {
        Ok(i64::try_from(value).map_or(YamlValue::Float(value as f64), YamlValue::Int))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<YamlValue, E> {
        Ok(i64::try_from(value).map_or(YamlValue::Float(value as f64), YamlValue::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<YamlValue, E> {
        Ok(YamlValue::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<YamlValue, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(YamlValue::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<YamlValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value()?;
            entries.push(YamlEntry { line: line(key.referenced), key: key.value, node });
        }
        Ok(YamlValue::Map(entries))
    }
}
