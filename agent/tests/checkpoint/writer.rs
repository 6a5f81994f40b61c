//! The writer's thread, on a simulated disk.

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
fn the_first_change_is_written_at_once() {
    let disk = Model::default();
    let writer = start(&disk);
    writer.set_state(state(1));
    while disk.world().file("state.a").is_none() {
        yield_now();
    }
    assert_eq!(load(&disk), state(1));
    drop(writer);
}

#[test]
fn stop_writes_the_last_change() {
    let disk = Model::default();
    let writer = start(&disk);
    for number in 1..20 {
        writer.set_state(state(number));
    }
    assert_eq!(writer.stop(), None);
    assert_eq!(load(&disk), state(19));
}

#[test]
fn stop_without_a_change_writes_nothing() {
    let disk = Model::default();
    let writer = start(&disk);
    let calls = disk.world().calls;
    writer.set_state(CheckpointState::default());
    assert_eq!(writer.stop(), None);
    assert_eq!(disk.world().calls, calls);
}

#[test]
fn setting_the_state_does_not_wait_for_the_disk() {
    let disk = Model::default();
    let writer = start(&disk);
    {
        let _stuck = disk.world();
        (1..100).for_each(|number| writer.set_state(state(number % 3)));
        assert_eq!(writer.condition().unwritable(), None);
    }
    writer.set_state(state(4));
    writer.stop();
    assert_eq!(load(&disk), state(4));
}

#[test]
fn a_failing_disk_is_a_condition_and_does_not_stop_the_writer() {
    for (errno, reason) in [(Errno::NOSPC, "DiskFull"), (Errno::ROFS, "ReadOnly"), (Errno::IO, "DiskError")] {
        let disk = Model::default();
        let writer = start(&disk);
        disk.world().refuses = Some(errno);
        writer.set_state(state(1));
        while writer.condition().unwritable().is_none() {
            yield_now();
        }
        assert_eq!(writer.condition().unwritable().unwrap().reason, reason);
        writer.set_state(state(2));

        disk.world().refuses = None;
        assert_eq!(writer.stop(), None, "the last try succeeds");
        assert_eq!(load(&disk), state(2));
    }
}

#[test]
fn a_disk_that_fails_to_the_end_is_reported_with_a_remedy() {
    let disk = Model::default();
    let writer = start(&disk);
    disk.world().room = Some(10);
    writer.set_state(state(1));
    let expected = "cannot write /state/state.tmp: No space left on device (os error 28); serving continues, but a \
                    restart loses the changes since: free space on that file system";
    assert_eq!(writer.stop(), Some(WriteFailure { reason: "DiskFull", message: expected.to_owned() }));
    assert_eq!(load(&disk), CheckpointState::default());
}
