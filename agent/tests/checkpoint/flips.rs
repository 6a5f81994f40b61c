//! Damaged files.

use entropool_agent::testing::checkpoint::format::{UnsealError, seal, unseal};
use entropool_agent::testing::checkpoint::{
    Checkpoint, CheckpointState, LoadWarning, Loaded, SlotError, to_json,
};

use crate::model::Model;
use crate::states::state;

/// A disk on which states 1 to 3 were saved: 3 is in `state.a`, 2 in `state.b`.
fn saved() -> Model {
    let disk = Model::default();
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    (1..=3).for_each(|number| save(&mut checkpoint, number));
    disk
}

fn save(checkpoint: &mut Checkpoint<Model>, number: u64) {
    checkpoint.save(&state(number)).unwrap();
}

fn load(disk: &Model) -> Loaded {
    Checkpoint::open(disk.clone()).1
}

#[test]
fn any_flipped_bit_is_detected_and_the_other_slot_is_used() {
    let disk = saved();
    let file = disk.world().file("state.a").unwrap().to_vec();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = unseal(&flipped).unwrap_err();
        assert!(!matches!(error, UnsealError::Newer { .. }), "bit {bit}: {error}");
        let disk = disk.fork();
        disk.world().put("state.a", &flipped);
        let loaded = load(&disk);
        assert_eq!(loaded.state, state(2));
        assert!(
            matches!(
                loaded.warnings[..],
                [LoadWarning::SetAside { .. }, LoadWarning::OlderGeneration { generation: 2, .. }]
            ),
            "bit {bit}: {:?}",
            loaded.warnings
        );
        assert_eq!(disk.world().file("state.a.corrupt"), Some(&*flipped));
    }
}

#[test]
fn any_changed_byte_is_detected() {
    let file = seal(3, &to_json(&CheckpointState::default())).unwrap();
    for index in 0..file.len() {
        for change in 1..=u8::MAX {
            let mut changed = file.clone();
            changed[index] ^= change;
            assert!(unseal(&changed).is_err(), "byte {index} xor {change}");
        }
    }
}

#[test]
fn any_other_length_is_detected() {
    let file = saved().world().file("state.a").unwrap().to_vec();
    for length in 0..file.len() {
        assert!(unseal(&file[..length]).is_err(), "{length}");
    }
    for tail in [&b"\0"[..], b"\n", &file] {
        let longer = [&file, tail].concat();
        assert!(matches!(unseal(&longer), Err(UnsealError::Length { .. })));
    }
}

#[test]
fn with_two_bad_slots_a_start_is_empty_and_keeps_both_files() {
    let disk = saved();
    disk.world().put("state.a", b"");
    disk.world().put("state.b", b"not a checkpoint at all, by any measure");
    let loaded = load(&disk);
    assert_eq!(loaded.state, CheckpointState::default());
    assert!(matches!(
        loaded.warnings[..],
        [LoadWarning::SetAside { .. }, LoadWarning::SetAside { .. }, LoadWarning::Empty]
    ));
    assert_eq!(
        loaded.warnings[0].to_string(),
        "checkpoint /state/state.a is not used: it is not a checkpoint; it is kept as /state/state.a.corrupt"
    );
    let (mut checkpoint, again) = Checkpoint::open(disk.clone());
    assert!(again.warnings.is_empty());
    checkpoint.save(&state(8)).unwrap();
    assert_eq!(load(&disk).state, state(8));
}

#[test]
fn the_previous_state_stays_in_the_other_slot_across_starts() {
    let disk = saved();
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    save(&mut checkpoint, 4);
    disk.world().put("state.b", b"");
    let loaded = load(&disk);
    assert_eq!(loaded.state, state(3));
    assert_eq!(
        loaded.warnings[1].to_string(),
        "checkpoint /state/state.a, generation 3, is used instead; changes after it may be missing"
    );
}

#[test]
fn an_empty_directory_is_no_reason_for_a_warning() {
    let loaded = load(&Model::default());
    assert_eq!(loaded.state, CheckpointState::default());
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_newer_format_is_refused_and_kept_for_the_version_that_wrote_it() {
    let disk = saved();
    let newer = in_format(2);
    disk.world().put("state.a", &newer);
    let loaded = load(&disk);
    assert_eq!(loaded.state, state(2));
    let [
        LoadWarning::SetAside { cause: SlotError::Unseal(UnsealError::Newer { format: 2 }), .. },
        LoadWarning::OlderGeneration { .. },
    ] = loaded.warnings[..]
    else {
        panic!("{:?}", loaded.warnings)
    };
    assert_eq!(disk.world().file("state.a.newer"), Some(&*newer));
}

#[test]
fn a_payload_that_is_not_a_state_is_refused() {
    let disk = saved();
    disk.world().put("state.a", &seal(9, b"[1, 2]").unwrap());
    let loaded = load(&disk);
    assert_eq!(loaded.state, state(2));
    assert!(matches!(
        loaded.warnings[..],
        [LoadWarning::SetAside { cause: SlotError::Payload(_), .. }, LoadWarning::OlderGeneration { .. }]
    ));
}

#[test]
fn a_skipped_object_has_a_warning() {
    let disk = saved();
    let payload = br#"{"vms": {"web-1": {"namespace": 7}}}"#;
    disk.world().put("state.a", &seal(9, payload).unwrap());
    let loaded = load(&disk);
    assert_eq!(loaded.state, CheckpointState::default());
    let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    assert_eq!(
        warning.to_string(),
        "in checkpoint /state/state.a, VM web-1 is skipped: invalid type: integer `7`, expected a string"
    );
}

/// A whole file of another format.
fn in_format(format: u16) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut file = seal(9, b"{}").unwrap();
    file.truncate(file.len() - 32);
    file[8..10].copy_from_slice(&format.to_be_bytes());
    let checksum = Sha256::digest(&file);
    file.extend_from_slice(&checksum);
    file
}
