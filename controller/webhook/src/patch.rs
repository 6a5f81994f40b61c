//! A JSON Patch (RFC 6902).

use serde::Serialize;
use serde_json::{Value, json};

/// The changes to an object, in order; empty if there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Vec<Value>);

impl Patch {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the value at `pointer`, whose parent must exist.
    pub(crate) fn set(&mut self, pointer: &str, value: &Value) {
        self.0.push(json!({"op": "add", "path": pointer, "value": value}));
    }

    /// Sets `key` of the map at `pointer` in `object`, unless it has the value already. The map need not exist.
    pub(crate) fn entry(&mut self, object: &Value, pointer: &str, key: &str, value: &str) {
        match object.pointer(pointer) {
            Some(Value::Object(map)) if map.get(key).is_some_and(|found| found == value) => {}
            Some(Value::Object(_)) => self.set(&format!("{pointer}/{}", escaped(key)), &json!(value)),
            _ if self.sets(pointer) => self.set(&format!("{pointer}/{}", escaped(key)), &json!(value)),
            _ => self.set(pointer, &json!({ key: value })),
        }
    }

    /// Appends to the list at `pointer` in `object`. The list need not exist.
    pub(crate) fn append(&mut self, object: &Value, pointer: &str, value: &Value) {
        match object.pointer(pointer) {
            Some(Value::Array(_)) => self.set(&format!("{pointer}/-"), value),
            _ => self.set(pointer, &json!([value])),
        }
    }

    /// Whether an earlier change set the value at `pointer`.
    fn sets(&self, pointer: &str) -> bool {
        self.0.iter().any(|change| change["path"] == pointer)
    }
}

/// A key as part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
