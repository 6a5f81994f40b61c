//! A source that keeps its claim raises no alarm, at any claim.
#![allow(clippy::unwrap_used)]

use soak::{Rng, Run};
use source::health::{HealthState, HealthTests, Limits, MinEntropy, Monitor, SampleKind, TestOutcome};

const MEBIBYTE: usize = 1 << 20;
const WINDOW: usize = 4096;

fn fill(rng: &mut Rng, samples: &mut [u8]) {
    for bytes in samples.chunks_exact_mut(8) {
        bytes.copy_from_slice(&rng.roll().to_ne_bytes());
    }
}

/// Samples of exactly this min-entropy: one value with a probability of 2^-H, the others equally often.
fn fill_claimed(rng: &mut Rng, h: f64, samples: &mut [u8]) {
    let common = (-h).exp2() * 2f64.powi(32);
    for sample in samples {
        let roll = rng.roll();
        let [value, _, _, _, high @ ..] = roll.to_le_bytes();
        let is_common = f64::from(u32::from_le_bytes(high)) < common;
        *sample = if is_common { 255 } else { value.min(254) };
    }
}

#[test]
fn a_perfect_source_raises_no_alarm() {
    let run = Run::begin("perfect-source", 100, 100_000);
    let mut tests = HealthTests::new(Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE));
    let (mut rng, mut samples) = (run.dice(), vec![0; MEBIBYTE]);
    for mebibyte in 0..run.count() {
        fill(&mut rng, &mut samples);
        assert_eq!(tests.observe(&samples), TestOutcome::Pass, "mebibyte {mebibyte}");
    }
}

#[test]
fn windows_of_honest_sources_pass_every_test() {
    let mut run = Run::begin("honest-windows", 2000, 1_000_000);
    let mut rng = run.dice();
    for (thousandths, name) in
        [(8000, "estimate_8"), (6000, "estimate_6"), (1000, "estimate_1"), (100, "estimate_0.1")]
    {
        let limits = Limits::new(SampleKind::Byte, MinEntropy::from_thousandths(thousandths).unwrap());
        let mut monitor = Monitor::new(limits, 0).unwrap();
        let mut samples = vec![0; WINDOW];
        for window in 0..run.count() / 4 {
            match thousandths {
                80 => fill(&mut rng, &mut samples),
                _ => fill_claimed(&mut rng, f64::from(thousandths) / 1000.0, &mut samples),
            }
            let _ = monitor.observe(&samples, 0);
            assert_eq!(
                monitor.state(),
                HealthState::Healthy,
                "H {name}, window {window}: {:?}",
                monitor.cause()
            );
        }
        let estimate = monitor.estimate().unwrap();
        assert!((estimate - f64::from(thousandths) / 1000.0).abs() < 0.7, "{name}: {estimate}");
        run.figure(name, (estimate * 1000.0).round() / 1000.0);
    }
}
