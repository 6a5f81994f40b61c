//! The state as JSON.
//!
//! Versions n and n−1 read each other: unknown fields are ignored, missing ones are empty. An object that does not parse
//! is skipped by itself, with a warning: one class with a field of a newer version must not cost a host all its VMs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::state::{AcceptedSpecs, CheckpointState};
use crate::attachments::{Attachment, ServedTotals};

/// The state before its objects are parsed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    accepted: Objects,
    last_good: Option<Value>,
    orphans: Option<Value>,
    vms: BTreeMap<String, Value>,
    served: ServedTotals,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Objects {
    pools: BTreeMap<String, Value>,
    classes: BTreeMap<String, Value>,
}

/// An object of a checkpoint that this version cannot parse.
#[derive(Debug, thiserror::Error)]
#[error("{object} is skipped: {source}")]
pub struct SkippedObject {
    /// Kind and name.
    pub object: String,
    pub source: serde_json::Error,
}

/// The payload of a checkpoint.
#[expect(clippy::missing_panics_doc, reason = "serialization cannot fail")]
pub fn to_json(state: &CheckpointState) -> Vec<u8> {
    serde_json::to_vec(state).expect("strings, integers and maps with string keys can be JSON")
}

/// The state in a payload, and the objects that were skipped.
pub fn from_json(payload: &[u8]) -> Result<(CheckpointState, Vec<SkippedObject>), serde_json::Error> {
    let document: Payload = serde_json::from_slice(payload)?;
    let mut reader = Reader::default();
    let accepted = AcceptedSpecs {
        pools: reader.each("EntropyPool", document.accepted.pools),
        classes: reader.each("EntropyClass", document.accepted.classes),
    };
    let last_good = document.last_good.and_then(|value| reader.one("the last good configuration", value));
    let orphans = document.orphans.and_then(|value| reader.one("the orphaned classes", value));
    let mut vms: BTreeMap<String, Attachment> = reader.each("VM", document.vms);
    for (id, vm) in &mut vms {
        vm.id.clone_from(id);
    }
    Ok((CheckpointState { accepted, last_good, orphans, vms, served: document.served }, reader.skipped))
}

#[derive(Default)]
struct Reader {
    skipped: Vec<SkippedObject>,
}

impl Reader {
    fn each<T: DeserializeOwned>(
        &mut self,
        kind: &str,
        values: BTreeMap<String, Value>,
    ) -> BTreeMap<String, T> {
        let mut read = |(name, value)| Some((self.one(&format!("{kind} {name}"), value)?, name));
        values.into_iter().filter_map(|entry| read(entry).map(|(object, name)| (name, object))).collect()
    }

    fn one<T: DeserializeOwned>(&mut self, object: &str, value: Value) -> Option<T> {
        serde_json::from_value(value)
            .map_err(|source| self.skipped.push(SkippedObject { object: object.to_owned(), source }))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::state::LastGood;
    use super::*;

    fn full() -> Value {
        json!({
            "accepted": {
                "pools": {"default": {"generation": 3, "spec": {
                    "sources": [{"name": "kernel", "kernel": {}}], "rate": "512Ki/s",
                }}},
                "classes": {"gold": {"generation": 9, "spec": {"pool": "default", "rate": "64Ki/s"}}},
            },
            "lastGood": {"encoding": 1, "bytes": "00ff7f"},
            "orphans": {"encoding": 1, "bytes": "01"},
            "vms": {"web-1": {"namespace": "shop", "pool": "default", "class": "gold", "client": "qemu"}},
            "served": {"vms": {"web-1": 64}, "classes": {"default": {"gold": 64}}},
        })
    }

    fn read(document: &Value) -> (CheckpointState, Vec<SkippedObject>) {
        from_json(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let (state, skipped) = read(&full());
        assert!(skipped.is_empty(), "{skipped:?}");
        assert_eq!(state.accepted.classes["gold"].generation, 9);
        assert_eq!(state.last_good, Some(LastGood { encoding: 1, bytes: vec![0, 255, 127] }));
        assert_eq!(state.vms["web-1"].client, dataplane::Client::Qemu);
        assert_eq!(state.served.classes["default"]["gold"].bytes, 64);

        let (again, skipped) = from_json(&to_json(&state)).unwrap();
        assert!(skipped.is_empty());
        assert_eq!(again, state);
        assert_eq!(to_json(&again), to_json(&state));
    }

    #[test]
    fn missing_fields_are_empty() {
        assert_eq!(read(&json!({})).0, CheckpointState::default());
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let mut document = full();
        document["mood"] = json!("good");
        document["vms"]["web-1"]["mood"] = json!("good");
        let (state, skipped) = read(&document);
        assert!(skipped.is_empty());
        assert_eq!(state, read(&full()).0);
    }

    #[test]
    fn an_object_that_does_not_parse_is_skipped_alone() {
        let mut document = full();
        document["accepted"]["pools"]["odd"] = json!({"generation": 1, "spec": {"output": "Sung"}});
        document["vms"]["odd"] = json!({"namespace": "shop", "pool": "default", "client": "telegraph"});
        document["lastGood"]["bytes"] = json!("abc");
        let (state, skipped) = read(&document);
        let expected = CheckpointState { last_good: None, ..read(&full()).0 };
        assert_eq!(state, expected);
        let objects: Vec<_> = skipped.iter().map(|skipped| skipped.object.as_str()).collect();
        assert_eq!(objects, ["EntropyPool odd", "the last good configuration", "VM odd"]);
    }
}
