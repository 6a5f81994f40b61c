//! Properties of plans: the order of events does not matter, and a refused edit leaves no trace.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::cluster::Cluster;

/// Names and figures from sets that are small enough to collide.
fn class() -> impl Strategy<Value = String> {
    let name = select(vec!["a", "b", "c", "d", "e"]);
    let parent = select(vec!["", ", parent: a", ", parent: b", ", parent: c", ", parent: d"]);
    let rate = select(vec!["", ", rate: 1/s", ", rate: 2/s", ", rate: 4/s", ", rate: 9/s"]);
    let more = select(vec!["", "", ", ceil: 3/s", ", perVM: {rate: 1/s}, rate: 2/s"]);
    (name, select(vec!["p", "p", "p", "q"]), parent, rate, more).prop_map(
        |(name, pool, parent, rate, more)| {
            let rate = if more.contains(" rate: 2") { "" } else { rate };
            format!("class {name}: {{pool: {pool}{parent}{rate}{more}}}\n")
        },
    )
}

fn pool() -> impl Strategy<Value = String> {
    let rate = select(vec!["rate: 4/s", "rate: 9/s", "rate: 9/s, ceil: 5/s", "ceil: 7/s"]);
    let default = select(vec!["", "", ", defaultClass: a", ", defaultClass: e"]);
    (select(vec!["p", "p", "q"]), rate, default)
        .prop_map(|(name, rate, default)| format!("pool {name}: {{{rate}{default}}}\n"))
}

fn edits() -> impl Strategy<Value = String> {
    let edit = prop_oneof![1 => pool(), 3 => class()];
    prop::collection::vec(edit, 0..8).prop_map(|edits| edits.concat())
}

/// A cluster with a history: some of its specs are accepted, some refused, some newer.
fn cluster() -> impl Strategy<Value = Cluster> {
    let host = || Cluster::host().write("pool p: {rate: 9/s}");
    let deleted = select(vec!["", "", "", "a", "b", "p"]);
    (edits(), edits(), deleted, edits()).prop_map(move |(first, second, deleted, last)| {
        host().write(&first).accept().write(&second).accept().delete(deleted).write(&last)
    })
}

proptest! {
    #[test]
    fn a_shuffled_snapshot_gives_an_equal_plan(cluster in cluster(), by in any::<[Index; 8]>()) {
        let mut shuffled = cluster.clone();
        for index in by {
            let (pools, classes) = (&mut shuffled.snapshot.pools, &mut shuffled.snapshot.classes);
            if !pools.is_empty() {
                let count = pools.len();
                pools.rotate_left(index.index(count));
            }
            if !classes.is_empty() {
                let last = classes.len() - 1;
                classes.swap(index.index(last + 1), last);
            }
        }
        prop_assert_eq!(cluster.plan(), shuffled.plan());
    }

    #[test]
    fn accepted_specs_stay_in_effect_over_a_restart(cluster in cluster()) {
        let (before, after) = (cluster.plan(), cluster.clone().accept().plan());
        prop_assert_eq!(&before.nodes, &after.nodes);
        // The same edits are refused. Of several reasons, another may be found first now that all else is accepted.
        let names = |plan: &plan::Plan| plan.rejections().map(|it| it.name.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(names(&before), names(&after));
    }

    #[test]
    fn a_refused_edit_changes_nothing_that_runs(cluster in cluster()) {
        let plan = cluster.plan();
        let mut without = cluster.clone();
        // Every refused edit is reverted; every object that was never accepted is deleted.
        without.snapshot.pools.retain_mut(|pool| {
            let plan = &plan.pools[pool.metadata.name.as_ref().unwrap()];
            plan.accepted_spec.as_ref().map(|accepted| pool.spec = accepted.spec.clone()).is_some()
        });
        without.snapshot.classes.retain_mut(|class| {
            let plan = &plan.classes[class.metadata.name.as_ref().unwrap()];
            plan.accepted_spec.as_ref().map(|accepted| class.spec = accepted.spec.clone()).is_some()
        });
        prop_assert_eq!(plan.nodes, without.plan().nodes);
    }

    #[test]
    fn a_running_tree_keeps_every_promise(cluster in cluster()) {
        let plan = cluster.plan();
        for pool in &plan.nodes["host"].pools {
            prop_assert!(pool.shape.rate <= pool.shape.ceil);
            prop_assert!(pool.classes.iter().any(|class| class.name == pool.default_class));
            let sum = |parent: Option<&str>| -> u64 {
                let children = pool.classes.iter().filter(|class| class.parent.as_deref() == parent);
                children.map(|class| class.shape.rate.0).sum()
            };
            prop_assert!(sum(None) <= pool.shape.rate.0);
            for (index, class) in pool.classes.iter().enumerate() {
                prop_assert!(sum(Some(&class.name)) <= class.shape.rate.0);
                prop_assert!(class.shape.rate <= class.shape.ceil && class.shape.ceil <= pool.shape.ceil);
                let parent = class.parent.as_ref();
                prop_assert!(parent.is_none_or(|name| pool.classes[..index].iter().any(|it| it.name == *name)));
            }
        }
    }

    #[test]
    fn objects_that_were_never_accepted_have_no_standing_problems(edits in edits()) {
        prop_assert_eq!(Cluster::host().write(&edits).plan().standing_problems().count(), 0);
    }
}
