//! A YAML document as a tree with line numbers and all keys, including duplicate ones.

use serde_json::Value;

/// A value and its line in the file.
#[derive(Debug)]
pub(super) struct YamlNode {
    pub(super) line: u32,
    pub(super) value: YamlValue,
}

#[derive(Debug)]
pub(super) enum YamlValue {
    /// `null`, `~` or nothing.
    Null,
    Bool(bool),
    Int(i64),
    /// Any other number, including integers that do not fit into 64 bits.
    Float(f64),
    Text(String),
    List(Vec<YamlNode>),
    /// In the order of the document.
    Map(Vec<YamlEntry>),
}

/// A field and its value.
#[derive(Debug)]
pub(super) struct YamlEntry {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) node: YamlNode,
}

impl YamlNode {
    /// The entries of a map; empty for any other node.
    pub(super) fn entries(&self) -> &[YamlEntry] {
        if let YamlValue::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; empty for any other node.
    pub(super) fn items(&self) -> &[Self] {
        if let YamlValue::List(items) = &self.value { items } else { &[] }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Whether a field is set, and not `null`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| !matches!(node.value, YamlValue::Null))
    }

    /// The node at a path such as `.perVM.rate`, or the last existing node on the path.
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

    /// The text; `None` for any other node.
    pub(super) fn text(&self) -> Option<&str> {
        if let YamlValue::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The value as JSON.
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

    /// Makes line numbers relative to the file instead of the document.
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
