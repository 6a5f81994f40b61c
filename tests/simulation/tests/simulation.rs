//! Many lives of a host, from as many seeds: every promise holds at every instant, and planted bugs are found.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{Mutation, Report, Violation, simulate};
use soak::Run;

/// Plays the seeds from `first` on, on all processors; the first that breaks, or what all came to.
fn play(first: u64, count: u64, plant: Option<Mutation>) -> Result<Report, Violation> {
    let next = AtomicU64::new(0);
    let player = || {
        let mut sum = Report::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(sum);
            }
            let report = simulate(first.wrapping_add(at), plant).inspect_err(|_| {
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

fn plus(one: Report, other: Report) -> Report {
    Report {
        instants: one.instants + other.instants,
        crashes: one.crashes + other.crashes,
        handed_over: one.handed_over + other.handed_over,
        changes: one.changes + other.changes,
        reads: one.reads + other.reads,
        bytes: one.bytes + other.bytes,
        longest: one.longest.max(other.longest),
        trace: one.trace ^ other.trace,
    }
}

#[test]
fn every_promise_holds_in_every_life() {
    let mut run = Run::begin("simulation", 1000, 100_000);
    let played = play(run.seed(), run.count(), None);
    let report = played.unwrap_or_else(|broken| {
        panic!("{broken}\nreplay: make soak ONLY=simulation SEED={} COUNT=1", broken.seed)
    });
    run.figure("instants", report.instants);
    run.figure("crashes", report.crashes);
    run.figure("handed_over", report.handed_over);
    run.figure("vms_attached_moved_detached", report.changes);
    run.figure("reads", report.reads);
    run.figure("bytes", report.bytes);
    run.figure("longest_paced_wait_ms", report.longest / 1_000_000);
}

#[test]
fn a_seed_always_gives_the_same_life() {
    for seed in 1..20 {
        assert_eq!(simulate(seed, None), simulate(seed, None), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found_by_the_promise_that_it_breaks() {
    for plant in Mutation::ALL {
        let broken = play(1, 200, Some(plant)).expect_err("it was not found in 200 lives");
        println!("{plant:?}: {broken}");
        assert_eq!(broken.promise, plant.breaks(), "{plant:?}: {broken}");
    }
}
