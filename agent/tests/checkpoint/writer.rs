//! The thread, on a disk that does as it is told.

use std::thread::yield_now;

use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState, CheckpointWriter, WriteFailure};
use htb::Tick;
use rustix::io::Errno;

use crate::model::Model;
use crate::states::state;

/// Time stands still: after the first write only the end writes again.
fn start(disk: &Model) -> CheckpointWriter {
    let (checkpoint, loaded) = Checkpoint::open(disk.clone());
    CheckpointWriter::start(checkpoint, loaded.state, || Tick(0)).unwrap()
}

fn load(disk: &Model) -> CheckpointState {
    Checkpoint::open(disk.clone()).1.state
}

#[test]
fn the_first_change_is_written_without_being_asked_twice() {
    let disk = Model::default();
    let writer = start(&disk);
    writer.note(state(1));
    while disk.world().file("state.a").is_none() {
        yield_now();
    }
    assert_eq!(load(&disk), state(1));
    drop(writer);
}

#[test]
fn the_end_writes_what_is_new() {
    let disk = Model::default();
    let writer = start(&disk);
    for number in 1..20 {
        writer.note(state(number));
    }
    assert_eq!(writer.stop(), None);
    assert_eq!(load(&disk), state(19));
}

#[test]
fn an_end_without_news_writes_nothing() {
    let disk = Model::default();
    let writer = start(&disk);
    let calls = disk.world().calls;
    writer.note(CheckpointState::default());
    assert_eq!(writer.stop(), None);
    assert_eq!(disk.world().calls, calls);
}

#[test]
fn a_note_does_not_wait_for_the_disk() {
    let disk = Model::default();
    let writer = start(&disk);
    {
        let _stuck = disk.world();
        (1..100).for_each(|number| writer.note(state(number % 3)));
        assert_eq!(writer.condition().unwritable(), None);
    }
    writer.note(state(4));
    writer.stop();
    assert_eq!(load(&disk), state(4));
}

#[test]
fn a_disk_that_refuses_is_a_condition_and_no_end() {
    for (errno, reason) in [(Errno::NOSPC, "DiskFull"), (Errno::ROFS, "ReadOnly"), (Errno::IO, "DiskError")] {
        let disk = Model::default();
        let writer = start(&disk);
        disk.world().refuses = Some(errno);
        writer.note(state(1));
        while writer.condition().unwritable().is_none() {
            yield_now();
        }
        assert_eq!(writer.condition().unwritable().unwrap().reason, reason);
        writer.note(state(2));

        disk.world().refuses = None;
        assert_eq!(writer.stop(), None, "the last try succeeds");
        assert_eq!(load(&disk), state(2));
    }
}

#[test]
fn a_disk_that_refuses_to_the_end_is_told_with_what_would_help() {
    let disk = Model::default();
    let writer = start(&disk);
    disk.world().room = Some(10);
    writer.note(state(1));
    let expected = "cannot write /state/state.tmp: No space left on device (os error 28); serving goes on, and a \
                    restart would not know of what is new: free space on that file system";
    assert_eq!(writer.stop(), Some(WriteFailure { reason: "DiskFull", message: expected.to_owned() }));
    assert_eq!(load(&disk), CheckpointState::default());
}
