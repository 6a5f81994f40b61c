//! A YAML document as a tree that remembers its lines and every key that was written, twice or not.

use serde_json::Value;

/// A value and its line in the file.
#[derive(Debug)]
pub(super) struct YamlNode {
    /// From 1.
    pub(super) line: u32,
    /// The value.
    pub(super) value: YamlValue,
}

/// A value.
#[derive(Debug)]
pub(super) enum YamlValue {
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
    List(Vec<YamlNode>),
    /// A block of fields, in the order they were written.
    Map(Vec<YamlEntry>),
}

/// A field and its value.
#[derive(Debug)]
pub(super) struct YamlEntry {
    /// The field's name.
    pub(super) key: String,
    /// Its line.
    pub(super) line: u32,
    /// Its value.
    pub(super) node: YamlNode,
}

impl YamlNode {
    /// The fields, if this is a block of them.
    pub(super) fn entries(&self) -> &[YamlEntry] {
        if let YamlValue::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items, if this is a list of them.
    pub(super) fn items(&self) -> &[Self] {
        if let YamlValue::List(items) = &self.value { items } else { &[] }
    }

    /// The value of a field.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Whether a field is written, if only as `null`.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| !matches!(node.value, YamlValue::Null))
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
        if let YamlValue::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The value as JSON, as it stands.
    pub(super) fn json(&self) -> Value {
        match &self.value {
            YamlValue::Null => Value::Null,
            YamlValue::Bool(value) => (*value).into(),
            YamlValue::Int(value) => (*value).into(),
            YamlValue::Float(value) => (*value).into(),
            YamlValue::Text(text) => text.as_str().into(),
            YamlValue::List(nodes) => nodes.iter().map(Self::json).collect(),
            YamlValue::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect())
            }
        }
    }

    /// Counts lines from the start of the file instead of the document's.
    pub(super) fn shift(&mut self, lines: u32) {
        self.line += lines;
        match &mut self.value {
            YamlValue::List(nodes) => nodes.iter_mut().for_each(|node| node.shift(lines)),
            YamlValue::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.line += lines;
                entry.node.shift(lines);
            }),
            _ => {}
        }
    }
}
