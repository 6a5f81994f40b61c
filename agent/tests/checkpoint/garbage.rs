//! Arbitrary bytes in the files: a start never panics, and the next save succeeds.

use entropool_agent::testing::checkpoint::format::{seal, unseal};
use entropool_agent::testing::checkpoint::{Checkpoint, from_json, to_json};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::Model;
use crate::states::state;

/// A valid payload with some bytes of it replaced.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    changes.prop_map(|changes| {
        let mut payload = to_json(&state(3));
        for (index, byte) in changes {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        payload
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..200), spoilt(), "[\\[{\":,0-9a-z}\\]]{0,60}".prop_map(String::into_bytes)]
}

/// Bytes by themselves, or made to look right.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let sealed =
        (any::<u64>(), payload()).prop_map(|(generation, payload)| seal(generation, &payload).unwrap());
    let headed = payload().prop_map(|rest| [&b"ENTRPOOL\0\x01"[..], &rest].concat());
    prop_oneof![payload(), headed, sealed]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_start_accepts_any_bytes(a in file(), b in file()) {
        let disk = Model::default();
        disk.world().put("state.a", &a);
        disk.world().put("state.b", &b);
        let (mut checkpoint, found) = Checkpoint::open(disk.clone());
        let generations: Vec<_> = [&a, &b].iter().filter_map(|it| Some(unseal(it).ok()?.generation)).collect();
        checkpoint.save(&state(2)).unwrap();
        let (_, again) = Checkpoint::open(disk);
        // Nobody can count beyond the last generation.
        if !generations.contains(&u64::MAX) {
            prop_assert_eq!(again.state, state(2));
        }
        prop_assert!(found.warnings.iter().all(|warning| !warning.to_string().is_empty()));
    }

    #[test]
    fn a_payload_that_parses_is_written_as_it_was_read(payload in payload()) {
        if let Ok((state, _)) = from_json(&payload) {
            let (again, skipped) = from_json(&to_json(&state)).unwrap();
            prop_assert!(skipped.is_empty());
            prop_assert_eq!(again, state);
        }
    }
}
