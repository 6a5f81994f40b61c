//! A perfect source raises no alarm: the cutoffs follow from its rate.
#![allow(clippy::unwrap_used)]

use soak::{Rng, Run};
use source::health::{HealthTests, Limits, MinEntropy, SampleKind, TestOutcome};

const MEBIBYTE: usize = 1 << 20;

fn fill(rng: &mut Rng, samples: &mut [u8]) {
    for bytes in samples.chunks_exact_mut(8) {
        bytes.copy_from_slice(&rng.roll().to_ne_bytes());
    }
}

#[test]
fn a_perfect_source_raises_no_alarm_at_any_rate() {
    let run = Run::begin("perfect-source", 100, 100_000);
    let rates = [Some(1_000_000), Some(100_000_000), None];
    let limits = rates.map(|rate| Limits::for_rate(SampleKind::Byte, MinEntropy::FULL_BYTE, rate));
    let mut tests = limits.map(HealthTests::new);
    let (mut rng, mut samples) = (run.dice(), vec![0; MEBIBYTE]);
    for mebibyte in 0..run.count() {
        fill(&mut rng, &mut samples);
        for (tests, rate) in tests.iter_mut().zip(rates) {
            assert_eq!(
                tests.observe(&samples),
                TestOutcome::Pass,
                "mebibyte {mebibyte} at {rate:?} bytes a second"
            );
        }
    }
}
