//! A save is cut at every system call, with and without a power cut.

use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState, Disk};

use crate::model::{FATES, Fate, Model, Trouble};
use crate::states::state;

const CUTS: [Trouble; 3] = [Trouble::CutBefore, Trouble::CutWithin, Trouble::CutAfter];

/// A disk on which so many states were saved.
fn saved(count: u64) -> (Model, Checkpoint<Model>) {
    let disk = Model::default();
    disk.world().piece = Some(200);
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    for number in 1..=count {
        checkpoint.save(&state(number)).unwrap();
    }
    (disk, checkpoint)
}

/// What was on disk after so many saves.
fn after(count: u64) -> CheckpointState {
    if count == 0 { CheckpointState::default() } else { state(count) }
}

/// Everything a disk may be after its power was cut.
fn power_cuts(disk: &Model) -> impl Iterator<Item = Model> + use<'_> {
    let masks = 0..1 << disk.world().pending();
    masks.flat_map(move |kept| {
        FATES.map(|fate| {
            let disk = disk.fork();
            disk.world().power_cut(kept, fate);
            disk
        })
    })
}

/// Runs `check` on the disk after a save that was cut at each call in each way; ends with a save that was not.
fn each_cut(count: u64, check: impl Fn(&Model, bool)) -> u32 {
    let mut cuts = 0;
    for trouble in CUTS {
        for call in 0.. {
            let (disk, mut checkpoint) = saved(count);
            let begin = disk.world().calls;
            disk.world().trouble = Some((begin + call, trouble));
            let done = checkpoint.save(&state(count + 1)).is_ok();
            let cut = disk.world().dead;
            check(&disk, done);
            if !cut {
                assert!(done);
                break;
            }
            cuts += 1;
        }
    }
    cuts
}

fn load(disk: &Model) -> CheckpointState {
    let (_, loaded) = Checkpoint::open(disk.clone());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.state
}

#[test]
fn a_save_cut_at_any_system_call_leaves_the_old_state_or_the_new_one() {
    for count in 0..4 {
        let cuts = each_cut(count, |disk, done| {
            let seen = disk.fork();
            seen.world().restart();
            for disk in power_cuts(disk).chain([seen]) {
                let found = load(&disk);
                assert!(found == after(count + 1) || found == after(count) && !done);
            }
        });
        assert!(cuts > 3 * 6, "{cuts} cuts are not all");
    }
}

#[test]
fn after_any_cut_the_next_save_succeeds_and_survives() {
    each_cut(2, |disk, _| {
        for disk in power_cuts(disk) {
            let (mut checkpoint, _) = Checkpoint::open(disk.clone());
            checkpoint.save(&state(9)).unwrap();
            for disk in power_cuts(&disk) {
                assert_eq!(load(&disk), state(9));
            }
        }
    });
}

#[test]
fn a_state_that_a_start_used_survives_a_later_power_cut() {
    each_cut(2, |disk, _| {
        disk.world().restart();
        let taken = load(disk);
        for disk in power_cuts(disk) {
            assert_eq!(load(&disk), taken);
        }
    });
}

#[test]
fn every_completed_save_survives_a_power_cut() {
    for count in 0..5 {
        let (disk, _) = saved(count);
        assert!(power_cuts(&disk).all(|disk| load(&disk) == after(count)));
    }
}

/// The control: the model must be able to tell a careless save from a careful one.
#[test]
fn a_disk_that_lies_about_fsync_is_detected() {
    let (disk, mut checkpoint) = saved(2);
    disk.world().lies = true;
    checkpoint.save(&state(3)).unwrap();
    let outcomes: Vec<_> = power_cuts(&disk).map(|disk| Checkpoint::open(disk).1).collect();
    assert!(
        outcomes.iter().any(|it| it.state == state(2) && it.warnings.is_empty()),
        "the name is never lost"
    );
    assert!(
        outcomes.iter().any(|it| it.state == state(2) && !it.warnings.is_empty()),
        "the bytes are never lost"
    );
    assert!(outcomes.iter().all(|it| it.state == state(2) || it.state == state(3)));
}

#[test]
fn the_file_of_a_cut_save_is_overwritten_by_the_next_save() {
    let (disk, mut checkpoint) = saved(1);
    let begin = disk.world().calls;
    disk.world().trouble = Some((begin + 2, Trouble::CutWithin));
    checkpoint.save(&state(40)).unwrap_err();
    disk.world().power_cut(u32::MAX, Fate::Kept);
    assert!(disk.read("state.tmp", usize::MAX - 1).unwrap().is_some_and(|left| !left.is_empty()));
    let (mut checkpoint, _) = Checkpoint::open(disk.clone());
    checkpoint.save(&state(1)).unwrap();
    assert_eq!(load(&disk), state(1));
    assert_eq!(disk.world().file("state.tmp"), None);
}
