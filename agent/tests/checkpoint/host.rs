//! A real directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState, HostDisk, LoadWarning, SaveError};
use tempfile::{TempDir, tempdir};

use crate::states::state;

fn open(dir: &TempDir) -> (Checkpoint<HostDisk>, CheckpointState, Vec<LoadWarning>) {
    let (checkpoint, loaded) = Checkpoint::open(HostDisk::new(dir.path().join("a/state")));
    (checkpoint, loaded.state, loaded.warnings)
}

#[test]
fn states_are_loaded_from_a_directory_that_was_made_for_them() {
    let dir = tempdir().unwrap();
    let (mut checkpoint, found, warnings) = open(&dir);
    assert_eq!((found, warnings.len()), (CheckpointState::default(), 0));
    for number in 1..5 {
        let saved = checkpoint.save(&state(number)).unwrap();
        assert_eq!(saved.generation, number);
        let (_, found, warnings) = open(&dir);
        assert_eq!((found, warnings.len()), (state(number), 0));
    }
    let mut names: Vec<_> =
        fs::read_dir(dir.path().join("a/state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["state.a", "state.b"]);
}

#[test]
fn only_the_owner_can_read() {
    let dir = tempdir().unwrap();
    open(&dir).0.save(&state(1)).unwrap();
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().mode() & 0o777;
    assert_eq!((mode("a/state"), mode("a/state/state.a")), (0o700, 0o600));
}

#[test]
fn an_existing_directory_keeps_its_mode() {
    let dir = tempdir().unwrap();
    let state_dir = dir.path().join("a/state");
    fs::create_dir_all(&state_dir).unwrap();
    fs::set_permissions(&state_dir, Permissions::from_mode(0o750)).unwrap();
    open(&dir).0.save(&state(1)).unwrap();
    assert_eq!(fs::metadata(&state_dir).unwrap().mode() & 0o777, 0o750);
}

#[test]
fn no_link_is_followed_by_a_load_or_a_save() {
    let dir = tempdir().unwrap();
    let state_dir = dir.path().join("a/state");
    fs::create_dir_all(&state_dir).unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, state_dir.join("state.a")).unwrap();
    let (mut checkpoint, found, warnings) = open(&dir);
    assert_eq!(found, CheckpointState::default());
    assert!(matches!(warnings[..], [LoadWarning::SetAside { .. }, LoadWarning::Empty]), "{warnings:?}");

    symlink(&victim, state_dir.join("state.tmp")).unwrap();
    assert!(matches!(checkpoint.save(&state(1)), Err(SaveError::Create { .. })));
    checkpoint.save(&state(1)).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_fifo_or_directory_does_not_block_a_load() {
    let dir = tempdir().unwrap();
    let state_dir = dir.path().join("a/state");
    fs::create_dir_all(state_dir.join("state.b")).unwrap();
    let fifo = state_dir.join("state.a");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let (mut checkpoint, _, warnings) = open(&dir);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    checkpoint.save(&state(1)).unwrap();
    checkpoint.save(&state(2)).unwrap();
    assert_eq!(open(&dir).1, state(2));
}

#[test]
fn a_path_that_is_not_a_directory_fails_until_it_is_repaired() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("a"), "").unwrap();
    let (mut checkpoint, found, _) = open(&dir);
    assert_eq!(found, CheckpointState::default());
    checkpoint.save(&state(1)).unwrap_err();
    fs::remove_file(dir.path().join("a")).unwrap();
    checkpoint.save(&state(1)).unwrap();
    assert_eq!(open(&dir).1, state(1));
}

#[test]
fn a_directory_that_vanished_is_made_again() {
    let dir = tempdir().unwrap();
    let (mut checkpoint, ..) = open(&dir);
    checkpoint.save(&state(1)).unwrap();
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    checkpoint.save(&state(2)).unwrap();
    assert_eq!(open(&dir).1, state(2));
}
