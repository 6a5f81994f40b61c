//! The state as JSON, and back, whoever wrote it.
//!
//! Versions n and n−1 read each other: what a newer one added is passed over, what an older one did not know is
//! empty. An object that is not understood is left out alone, with a sentence: one class with a word of tomorrow
//! must not cost a host all its VMs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::state::{AcceptedSpecs, CheckpointState, ServedTotals};

/// The state before its objects are looked into.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    accepted: Objects,
    last_good: Option<Value>,
    remains: Option<Value>,
    vms: BTreeMap<String, Value>,
    served: ServedTotals,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Objects {
    pools: BTreeMap<String, Value>,
    classes: BTreeMap<String, Value>,
}

/// Something in a checkpoint that this version does not understand.
#[derive(Debug, thiserror::Error)]
#[error("{object} is left out: {source}")]
pub struct SkippedObject {
    /// What it is, with its name.
    pub object: String,
    /// What is not understood.
    pub source: serde_json::Error,
}

/// The payload of a checkpoint.
#[expect(clippy::missing_panics_doc, reason = "it never does")]
pub fn to_json(state: &CheckpointState) -> Vec<u8> {
    serde_json::to_vec(state)
        .expect("strings, integers and maps by string are JSON, and memory does not fail")
}

/// The state in a payload, without what is not understood.
pub fn from_json(payload: &[u8]) -> Result<(CheckpointState, Vec<SkippedObject>), serde_json::Error> {
    let document: Payload = serde_json::from_slice(payload)?;
    let mut reader = Reader::default();
    let accepted = AcceptedSpecs {
        pools: reader.each("EntropyPool", document.accepted.pools),
        classes: reader.each("EntropyClass", document.accepted.classes),
    };
    let last_good = document.last_good.and_then(|value| reader.one("the last good configuration", value));
    let remains = document.remains.and_then(|value| reader.one("what stays for its VMs", value));
    let vms = reader.each("VM", document.vms);
    Ok((
        CheckpointState { accepted, last_good, orphans: remains, vms, served: document.served },
        reader.left_out,
    ))
}

#[derive(Default)]
struct Reader {
    left_out: Vec<SkippedObject>,
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
            .map_err(|source| self.left_out.push(SkippedObject { object: object.to_owned(), source }))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::state::{LastGood, SavedClient};
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
            "remains": {"encoding": 1, "bytes": "01"},
            "vms": {"web-1": {"namespace": "shop", "pool": "default", "class": "gold", "client": "qemu"}},
            "served": {"vms": {"web-1": 64}, "classes": {"default": {"gold": 64}}},
        })
    }

    fn read(document: &Value) -> (CheckpointState, Vec<SkippedObject>) {
        from_json(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn everything_in_a_state_comes_back() {
        let (state, left_out) = read(&full());
        assert!(left_out.is_empty(), "{left_out:?}");
        assert_eq!(state.accepted.classes["gold"].generation, 9);
        assert_eq!(state.last_good, Some(LastGood { encoding: 1, bytes: vec![0, 255, 127] }));
        assert_eq!(state.vms["web-1"].client, SavedClient::Qemu);
        assert_eq!(state.served.classes["default"]["gold"], 64);

        let (again, left_out) = from_json(&to_json(&state)).unwrap();
        assert!(left_out.is_empty());
        assert_eq!(again, state);
        assert_eq!(to_json(&again), to_json(&state));
    }

    #[test]
    fn what_an_older_version_did_not_write_is_empty() {
        assert_eq!(read(&json!({})).0, CheckpointState::default());
    }

    #[test]
    fn what_a_newer_version_added_is_passed_over() {
        let mut document = full();
        document["mood"] = json!("good");
        document["vms"]["web-1"]["mood"] = json!("good");
        let (state, left_out) = read(&document);
        assert!(left_out.is_empty());
        assert_eq!(state, read(&full()).0);
    }

    #[test]
    fn an_object_that_is_not_understood_is_left_out_alone() {
        let mut document = full();
        document["accepted"]["pools"]["odd"] = json!({"generation": 1, "spec": {"output": "Sung"}});
        document["vms"]["odd"] = json!({"namespace": "shop", "pool": "default", "client": "telegraph"});
        document["lastGood"]["bytes"] = json!("abc");
        let (state, left_out) = read(&document);
        let expected = CheckpointState { last_good: None, ..read(&full()).0 };
        assert_eq!(state, expected);
        let objects: Vec<_> = left_out.iter().map(|left| left.object.as_str()).collect();
        assert_eq!(objects, ["EntropyPool odd", "the last good configuration", "VM odd"]);
    }
}
