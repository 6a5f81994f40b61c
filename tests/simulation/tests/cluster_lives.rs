//! Many lives of a cluster, from as many seeds: every promise holds at every instant, and planted bugs are found.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{ClusterReport, PlantedClusterBug, Violation, simulate_cluster};
use soak::Run;

/// Plays the seeds from `first` on, on all processors; the first that breaks, or what all came to.
fn play(first: u64, count: u64, plant: Option<PlantedClusterBug>) -> Result<ClusterReport, Violation> {
    let next = AtomicU64::new(0);
    let player = || {
        let mut sum = ClusterReport::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(sum);
            }
            let report = simulate_cluster(first.wrapping_add(at), plant).inspect_err(|_| {
                next.store(count, Ordering::Relaxed);
            })?;
            sum = plus(sum, report);
        }
    };
    let players = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let players: Vec<_> = (0..players).map(|_| scope.spawn(player)).collect();
        let results = players.into_iter().map(|player| player.join().expect("a broken promise is no panic"));
        results.reduce(|one, other| Ok(plus(one?, other?))).unwrap()
    })
}

fn plus(one: ClusterReport, other: ClusterReport) -> ClusterReport {
    ClusterReport {
        instants: one.instants + other.instants,
        admitted: one.admitted + other.admitted,
        refused: one.refused + other.refused,
        attached: one.attached + other.attached,
        moved: one.moved + other.moved,
        applied: one.applied + other.applied,
        lies: one.lies + other.lies,
        faults: one.faults + other.faults,
        trace: one.trace ^ other.trace,
    }
}

#[test]
fn every_promise_holds_in_every_life_of_a_cluster() {
    let mut run = Run::begin("cluster-simulation", 1_000, 100_000);
    let played = play(run.seed(), run.count(), None);
    let report = played.unwrap_or_else(|broken| {
        panic!("{broken}\nreplay: make soak ONLY=cluster-simulation SEED={} COUNT=1", broken.seed)
    });
    run.figure("instants", report.instants);
    run.figure("pods_admitted", report.admitted);
    run.figure("pods_refused", report.refused);
    run.figure("vms_attached", report.attached);
    run.figure("vms_moved", report.moved);
    run.figure("configurations_applied", report.applied);
    run.figure("lies", report.lies);
    run.figure("faults", report.faults);
}

#[test]
fn a_seed_always_gives_the_same_life_of_a_cluster() {
    for seed in 1..20 {
        assert_eq!(simulate_cluster(seed, None), simulate_cluster(seed, None), "seed {seed}");
    }
}

#[test]
fn every_bug_planted_in_a_cluster_is_found_by_the_promise_that_it_breaks() {
    for plant in PlantedClusterBug::ALL {
        let broken = play(1, 300, Some(plant)).expect_err(&format!("{plant:?} was not found in 300 lives"));
        println!("{plant:?}: {broken}");
        assert_eq!(broken.promise, plant.breaks(), "{plant:?}: {broken}");
    }
}
