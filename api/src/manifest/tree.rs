//! A YAML document as a tree that remembers its lines and every key that was written, twice or not.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::Spanned;
use serde_yaml::options::DuplicateKeyPolicy;

use super::split::Part;

/// A value and its line in the file.
#[derive(Debug)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: u32,
    /// The value.
    pub(super) value: Tree,
}

/// A value.
#[derive(Debug)]
pub(super) enum Tree {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, also whole ones that no 64 bits hold.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A block of fields, in the order they were written.
    Map(Vec<Entry>),
}

/// A field and its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The field's name.
    pub(super) key: String,
    /// Its line.
    pub(super) line: u32,
    /// Its value.
    pub(super) node: Node,
}

/// Why a document is no YAML, and in which line of the file.
pub(super) struct NotYaml {
    /// From 1.
    pub(super) line: Option<u32>,
    /// What the parser says.
    pub(super) message: String,
}

/// Reads one document.
pub(super) fn read(part: &Part<'_>) -> Result<Node, NotYaml> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A manifest is written by hand: far below these, and far above what would tie anything up.
        budget: serde_yaml::budget! { max_events: 200_000, max_aliases: 1_000, max_anchors: 1_000, max_depth: 48 },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 16 },
    };
    let mut node: Node = serde_yaml::from_str_with_options(part.text, options).map_err(|error| {
        let line = error.location().and_then(|location| u32::try_from(location.line()).ok());
        let message = plain(&error.without_snippet().to_string());
        NotYaml { line: line.map(|line| line + part.lines_before), message }
    })?;
    node.shift(part.lines_before);
    Ok(node)
}

/// The parser's words without the place, which is told apart and counts from the document's start.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default().trim();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first[..end].to_owned()
}

impl Node {
    /// The fields, if this is a block of them.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Tree::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items, if this is a list of them.
    pub(super) fn items(&self) -> &[Self] {
        if let Tree::List(items) = &self.value { items } else { &[] }
    }

    /// The value of a field.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Whether a field is written, if only as `null`.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| !matches!(node.value, Tree::Null))
    }

    /// The node at a path as `.perVM.rate`, or the last one on the way that is there.
    pub(super) fn at(&self, path: &str) -> &Self {
        let steps = path.split('.').filter(|step| !step.is_empty());
        steps
            .scan(self, |node, step| {
                *node = node.get(step)?;
                Some(*node)
            })
            .last()
            .unwrap_or(self)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The value as JSON, as it stands.
    pub(super) fn json(&self) -> Value {
        match &self.value {
            Tree::Null => Value::Null,
            Tree::Bool(value) => (*value).into(),
            Tree::Int(value) => (*value).into(),
            Tree::Float(value) => (*value).into(),
            Tree::Text(text) => text.as_str().into(),
            Tree::List(nodes) => nodes.iter().map(Self::json).collect(),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect())
            }
        }
    }

    fn shift(&mut self, lines: u32) {
        self.line += lines;
        match &mut self.value {
            Tree::List(nodes) => nodes.iter_mut().for_each(|node| node.shift(lines)),
            Tree::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.line += lines;
                entry.node.shift(lines);
            }),
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self { line: line(referenced), value })
    }
}

fn line(location: serde_yaml::Location) -> u32 {
    u32::try_from(location.line()).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

#[expect(clippy::cast_precision_loss, reason = "only whole numbers beyond every limit lose anything")]
impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Int))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Int))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Tree::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value()?;
            entries.push(Entry { line: line(key.referenced), key: key.value, node });
        }
        Ok(Tree::Map(entries))
    }
}
