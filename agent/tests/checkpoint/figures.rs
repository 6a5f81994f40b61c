//! Size and duration, printed.

use std::time::Instant;

use entropool_agent::testing::checkpoint::{Checkpoint, HostDisk};
use tempfile::tempdir;

use crate::states::state;

#[test]
#[expect(clippy::disallowed_methods, reason = "a figure is measured")]
fn a_thousand_vms_are_a_small_file_and_a_short_save() {
    let dir = tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(HostDisk::new(dir.path()));
    let (old, new) = (state(999), state(1_000));
    let mut times: Vec<_> = (0..20)
        .map(|round| {
            let begin = Instant::now();
            checkpoint.save(if round % 2 == 0 { &old } else { &new }).unwrap();
            begin.elapsed()
        })
        .collect();
    times.sort();
    let begin = Instant::now();
    let (mut checkpoint, loaded) = Checkpoint::open(HostDisk::new(dir.path()));
    let load = begin.elapsed();
    assert_eq!(loaded.state, new);
    let length = checkpoint.save(&new).unwrap().length;
    println!(
        "1,000 VMs: {length} bytes; a save takes {:?} (median of 20, worst {:?}), a load {load:?}",
        times[10], times[19]
    );
    assert!(length < 256 * 1024, "{length} bytes");
}
