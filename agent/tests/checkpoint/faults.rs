//! Failing disks.

use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState, LoadWarning, SaveError};
use rustix::io::Errno;

use crate::model::{Model, Trouble};
use crate::states::state;

fn saved(count: u64) -> (Model, Checkpoint<Model>) {
    let disk = Model::default();
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    (1..=count).for_each(|number| save(&mut checkpoint, number));
    (disk, checkpoint)
}

fn save(checkpoint: &mut Checkpoint<Model>, number: u64) {
    checkpoint.save(&state(number)).unwrap();
}

fn load(disk: &Model) -> CheckpointState {
    let (_, loaded) = Checkpoint::open(disk.fork());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.state
}

#[test]
fn a_failed_call_leaves_the_old_state_or_the_new_one_and_the_next_save_succeeds() {
    let errors = [Errno::NOSPC, Errno::ROFS, Errno::IO];
    let troubles = errors.into_iter().flat_map(|errno| [Trouble::Fails(errno), Trouble::FailsDone(errno)]);
    for trouble in troubles {
        for call in 0.. {
            let (disk, mut checkpoint) = saved(3);
            let begin = disk.world().calls;
            disk.world().trouble = Some((begin + call, trouble));
            if checkpoint.save(&state(4)).is_ok() {
                assert_eq!(call, 6, "make, create, write, sync, rename, sync");
                break;
            }
            let found = load(&disk);
            assert!(found == state(3) || found == state(4));
            assert_eq!(disk.world().file("state.tmp"), None, "it holds space for nothing");
            checkpoint.save(&state(5)).unwrap();
            assert_eq!(load(&disk), state(5));
        }
    }
}

#[test]
fn failures_in_a_row_never_touch_the_last_good_slot() {
    for call in 0..6 {
        for trouble in [Trouble::Fails(Errno::IO), Trouble::FailsDone(Errno::IO)] {
            let (disk, mut checkpoint) = saved(3);
            for number in 4..9 {
                let begin = disk.world().calls;
                disk.world().trouble = Some((begin + call, trouble));
                checkpoint.save(&state(number)).unwrap_err();
            }
            // The slot that was not written since holds the last state that was surely saved.
            disk.world().put("state.b", b"");
            assert_eq!(Checkpoint::open(disk.fork()).1.state, state(3));
        }
    }
}

#[test]
fn a_full_disk_keeps_the_old_state_until_there_is_room() {
    let (disk, mut checkpoint) = saved(2);
    let used = ["state.a", "state.b"].map(|name| disk.world().file(name).unwrap().len());
    for room in used[0] + used[1]..used[0] + used[1] + 100 {
        disk.world().room = Some(room);
        let error = checkpoint.save(&state(3)).unwrap_err();
        assert_eq!(error.reason(), "DiskFull");
        assert!(matches!(error, SaveError::Write { .. }), "{error}");
        assert_eq!(load(&disk), state(2));
    }
    disk.world().room = None;
    checkpoint.save(&state(3)).unwrap();
    assert_eq!(load(&disk), state(3));
}

#[test]
fn a_read_only_disk_is_read_and_keeps_the_old_state() {
    let (disk, mut checkpoint) = saved(2);
    disk.world().refuses = Some(Errno::ROFS);
    assert_eq!(checkpoint.save(&state(3)).unwrap_err().reason(), "ReadOnly");
    assert_eq!(load(&disk), state(2));
}

#[test]
fn a_start_on_a_failing_disk_loads_a_valid_state_and_saves_when_it_can() {
    for errno in [Errno::NOSPC, Errno::ROFS, Errno::IO] {
        for call in 0..6 {
            let (disk, _) = saved(3);
            let begin = disk.world().calls;
            disk.world().trouble = Some((begin + call, Trouble::Fails(errno)));
            let (mut checkpoint, loaded) = Checkpoint::open(disk.clone());
            // The newest is in the slot that is read first.
            let newest = if call == 0 { 2 } else { 3 };
            assert_eq!(loaded.state, state(newest));
            assert_eq!(loaded.warnings.is_empty(), call > 1, "call {call}: {:?}", loaded.warnings);
            disk.world().trouble = None;
            save(&mut checkpoint, 5);
            assert_eq!(load(&disk), state(5));
        }
    }
}

#[test]
fn a_file_that_can_be_neither_used_nor_renamed_blocks_saves_until_it_can() {
    let (disk, _) = saved(2);
    // Readable again one day, it would be the newest of all.
    let begin = disk.world().calls;
    disk.world().trouble = Some((begin + 1, Trouble::Fails(Errno::IO)));
    disk.world().refuses = Some(Errno::ROFS);
    let (mut checkpoint, loaded) = Checkpoint::open(disk.clone());
    assert_eq!(loaded.state, state(1));
    assert!(
        matches!(loaded.warnings[..], [LoadWarning::Blocking { .. }, LoadWarning::OlderGeneration { .. }]),
        "{:?}",
        loaded.warnings
    );
    assert!(matches!(checkpoint.save(&state(7)), Err(SaveError::SetAside { .. })));

    disk.world().refuses = None;
    checkpoint.save(&state(7)).unwrap();
    assert_eq!(load(&disk), state(7));
    assert!(disk.world().file("state.b.unreadable").is_some());
}

#[test]
fn a_blocking_file_that_was_removed_no_longer_blocks() {
    let (disk, _) = saved(2);
    disk.world().put("state.b", b"rubbish");
    disk.world().refuses = Some(Errno::ROFS);
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    disk.world().refuses = None;
    disk.world().take_away("state.b");
    checkpoint.save(&state(7)).unwrap();
    assert_eq!(load(&disk), state(7));
}
