//! The time that a plan of a large cluster takes.

use std::fmt::Write;
use std::time::Duration;

use crate::cluster::Cluster;

/// The shortest of a few runs, so that other work of the machine does not count.
fn least_of_three(cluster: &Cluster) -> Duration {
    let run = |_| {
        #[expect(clippy::disallowed_methods, reason = "the test measures time")]
        let start = std::time::Instant::now();
        let plan = cluster.plan();
        let took = start.elapsed();
        assert_eq!(plan.classes.len(), 1_000);
        took
    };
    (0..3).map(run).min().unwrap()
}

fn thousand(parent: impl Fn(u32) -> Option<u32>, rate: &str) -> Cluster {
    let mut classes = String::new();
    for class in 0..1_000 {
        let parent = parent(class).map(|parent| format!(", parent: c{parent}")).unwrap_or_default();
        writeln!(classes, "class c{class}: {{pool: default, rate: {rate}{parent}}}").unwrap();
    }
    Cluster::host().write("pool default: {rate: 1000/s}").write(&classes)
}

#[test]
fn a_thousand_classes_take_well_under_fifty_milliseconds() {
    let flat = thousand(|_| None, "1/s");
    assert_eq!(flat.reasons().len(), 0);
    let deep = thousand(|class| (class > 0).then(|| (class - 1) / 2), "1/d");
    let refused = thousand(|_| None, "3/s");
    assert_eq!(refused.reasons().len(), 667);
    for (what, cluster) in
        [("flat", &flat), ("accepted", &flat.clone().accept()), ("deep", &deep), ("refused", &refused)]
    {
        let took = least_of_three(cluster);
        assert!(took < Duration::from_millis(50), "{what}: {took:?}");
    }
}
