#![allow(clippy::unwrap_used)]

use std::cell::RefCell;

use super::*;
use crate::health::{MinEntropy, SampleKind};

const SECOND: u64 = 1_000_000_000;

fn limits() -> Limits {
    Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE)
}

thread_local! {
    static RNG: RefCell<soak::Rng> = RefCell::new(soak::Rng::new(1));
}

/// Bytes that pass every test, and never the same twice. The last is 255.
fn clean(count: usize) -> Vec<u8> {
    let roll = |_| RNG.with_borrow_mut(|rng| rng.roll().to_le_bytes()[0]);
    let mut samples: Vec<u8> = (1..count).map(roll).collect();
    samples.push(255);
    samples
}

fn healthy() -> Monitor {
    let mut monitor = Monitor::new(limits(), 0).unwrap();
    assert_eq!(monitor.observe(&clean(1024), 1), Disposition::Discard);
    assert_eq!(monitor.state(), HealthState::Healthy);
    monitor
}

/// Enough equal samples for an intermittent alarm and too few for a permanent one.
fn burst(value: u8) -> Vec<u8> {
    vec![value; limits().intermittent.repetition_count as usize]
}

#[test]
fn nothing_is_credited_before_the_start_up_test_has_passed() {
    let mut monitor = Monitor::new(limits(), 0).unwrap();
    assert_eq!(monitor.observe(&clean(1023), 5), Disposition::Discard);
    assert_eq!(monitor.state(), HealthState::Starting);
    assert_eq!(monitor.observe(&[77], 6), Disposition::Discard);
    assert_eq!((monitor.state(), monitor.since()), (HealthState::Healthy, 6));
    assert_eq!(monitor.observe(&clean(10), 7), Disposition::Credit);
}

#[test]
fn an_intermittent_alarm_drops_the_samples_and_restarts_the_start_up_test() {
    let mut monitor = healthy();
    assert_eq!(monitor.observe(&burst(3), 2), Disposition::Drop);
    assert_eq!((monitor.state(), monitor.since()), (HealthState::Suspect, 2));
    assert_eq!(monitor.cause().unwrap().reason(), "RepetitionCount");
    assert_eq!(monitor.observe(&clean(1024), 3), Disposition::Discard);
    assert_eq!((monitor.state(), monitor.cause()), (HealthState::Healthy, None));
    assert_eq!(monitor.observe(&clean(10), 4), Disposition::Credit);
}

#[test]
fn counts_continue_over_a_restart_so_that_a_stuck_source_fails_permanently() {
    let mut monitor = healthy();
    let Limits { intermittent, permanent, .. } = limits();
    // The last of the clean samples had this value too.
    for run in 2..intermittent.repetition_count {
        assert_eq!(monitor.observe(&[255], 2), Disposition::Credit, "a run of {run}");
    }
    for run in intermittent.repetition_count..permanent.repetition_count {
        assert_ne!(monitor.observe(&[255], 2), Disposition::Credit, "a run of {run}");
        assert_eq!(monitor.state(), HealthState::Suspect);
    }
    assert_eq!(monitor.observe(&[255], 2), Disposition::Drop);
    assert_eq!(monitor.state(), HealthState::Failed);
}

#[test]
fn a_stuck_source_never_passes_its_start_up_test() {
    for stuck in 0..=255 {
        let mut monitor = Monitor::new(limits(), 0).unwrap();
        assert_eq!(monitor.observe(&[stuck; 1024], 1), Disposition::Drop);
        assert_eq!(monitor.state(), HealthState::Failed);
    }
}

#[test]
fn the_third_alarm_is_the_last() {
    let mut monitor = healthy();
    for state in [HealthState::Suspect, HealthState::Suspect, HealthState::Failed] {
        assert_eq!(monitor.observe(&burst(9), 2), Disposition::Drop);
        assert_eq!(monitor.state(), state);
        let _ = monitor.observe(&clean(4096), 3);
    }
    assert_eq!(monitor.observe(&clean(4096), 4), Disposition::Drop);
}

#[test]
fn an_alarm_is_not_forgiven_by_millions_of_clean_samples() {
    let mut monitor = healthy();
    for state in [HealthState::Suspect, HealthState::Suspect, HealthState::Failed] {
        assert_eq!(monitor.observe(&burst(9), 2), Disposition::Drop);
        assert_eq!(monitor.state(), state);
        for _ in 0..270 {
            let _ = monitor.observe(&clean(4096), 3);
        }
    }
}

#[test]
fn an_alarm_is_forgiven_after_as_many_samples_as_a_perfect_source_takes_to_raise_one() {
    let mut failures = IntermittentFailures::default();
    for _ in 0..10 {
        assert!(!failures.record());
        failures.pass(usize::try_from(FORGIVEN_AFTER).unwrap());
    }
}

#[test]
fn a_failed_source_stays_off_until_a_retest() {
    let mut monitor = healthy();
    let _ = monitor.observe(&[1; 100], 2);
    let events: [fn(&mut Monitor); 2] = [|m| m.opened(3), |m| m.lost(ReadFailure::Io, 3)];
    for event in events {
        event(&mut monitor);
        assert_eq!(monitor.state(), HealthState::Failed);
    }
    monitor.retest(4);
    assert_eq!((monitor.state(), monitor.cause()), (HealthState::Starting, None));
    let _ = monitor.observe(&clean(1024), 5);
    assert_eq!(monitor.state(), HealthState::Healthy);
}

#[test]
fn a_lost_source_is_opened_again_and_starts_with_its_test() {
    let mut monitor = healthy();
    monitor.lost(ReadFailure::End, SECOND);
    assert_eq!(monitor.observe(&clean(4096), SECOND), Disposition::Drop);
    monitor.lost(ReadFailure::Io, 2 * SECOND);
    monitor.opened(3 * SECOND);
    assert_eq!(
        (monitor.state(), monitor.cause()),
        (HealthState::Starting, Some(Cause::Lost(ReadFailure::Io)))
    );
    assert_eq!(monitor.observe(&clean(1024), 3 * SECOND), Disposition::Discard);
    assert_eq!((monitor.state(), monitor.cause()), (HealthState::Healthy, None));
}
