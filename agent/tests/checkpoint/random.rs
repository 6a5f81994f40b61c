//! Saves, failures, kills and power cuts in any order.

use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState};
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::io::Errno;

use crate::model::{FATES, Model, Trouble};
use crate::states::state;

#[derive(Clone, Debug)]
struct Step {
    /// What goes wrong at which call of the save, if anything.
    trouble: Option<(u32, Trouble)>,
    /// Whether the restart after a cut follows a power cut.
    power_cut: Option<(u32, usize)>,
    /// Whether the process restarts although nothing happened.
    restart: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let errno = prop::sample::select(vec![Errno::NOSPC, Errno::ROFS, Errno::IO]);
    let trouble = prop_oneof![
        Just(Trouble::CutBefore),
        Just(Trouble::CutWithin),
        Just(Trouble::CutAfter),
        errno.clone().prop_map(Trouble::Fails),
        errno.prop_map(Trouble::FailsDone),
    ];
    let trouble = prop::option::of((0_u32..12, trouble));
    let power_cut = prop::option::of((any::<u32>(), 0..FATES.len()));
    (trouble, power_cut, any::<bool>()).prop_map(|(trouble, power_cut, restart)| Step {
        trouble,
        power_cut,
        restart,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_start_loads_the_last_saved_state_or_one_that_was_tried_after_it(steps in vec(step(), 1..30)) {
        let disk = Model::default();
        disk.world().piece = Some(150);
        let mut checkpoint = Checkpoint::open(disk.clone()).0;
        // What may be found: the last state that was surely saved, then all that were tried.
        let mut possible = vec![CheckpointState::default()];
        for (number, step) in (1..).zip(steps) {
            let calls = disk.world().calls;
            disk.world().trouble = step.trouble.map(|(call, trouble)| (calls + call, trouble));
            let tried = state(number % 7);
            if checkpoint.save(&tried).is_ok() {
                possible.clear();
            }
            possible.push(tried);
            disk.world().trouble = None;
            if disk.world().dead || step.restart {
                disk.world().restart();
                if let Some((kept, fate)) = step.power_cut {
                    disk.world().power_cut(kept, FATES[fate]);
                }
                let (again, loaded) = Checkpoint::open(disk.clone());
                prop_assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
                prop_assert!(possible.contains(&loaded.state));
                (checkpoint, possible) = (again, vec![loaded.state]);
            }
        }
    }
}
