//! A source that keeps its claim raises no alarm, at any claim.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use soak::{Rng, Run};
use source::health::{
    Alpha, HealthState, HealthTests, Limits, MinEntropy, Monitor, SampleKind, Severity, Test, TestOutcome,
};

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
    let mut run = Run::begin("honest-windows", 500, 1_000_000);
    let mut rng = run.dice();
    for (thousandths, name) in
        [(8000, "estimate_8"), (6000, "estimate_6"), (1000, "estimate_1"), (100, "estimate_0.1")]
    {
        let limits = Limits::new(SampleKind::Byte, MinEntropy::from_thousandths(thousandths).unwrap());
        let mut monitor = Monitor::new(limits, 0).unwrap();
        let mut samples = vec![0; WINDOW];
        for window in 0..run.count() {
            match thousandths {
                8000 => fill(&mut rng, &mut samples),
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

/// Probabilities of the samples of [`fill_claimed`].
fn probabilities(h: f64) -> Vec<f64> {
    let common = (-h).exp2();
    let mut all = vec![(1.0 - common) / 256.0; 256];
    all[254] *= 2.0;
    all[255] = common;
    all
}

/// P[X >= k] of `n` trials that succeed with a probability of `p`.
fn tail(n: u32, k: u32, p: f64) -> f64 {
    let mut term = (1.0 - p).powi(n.cast_signed());
    let mut total = 0.0;
    for hits in 0..=n {
        total += if hits >= k { term } else { 0.0 };
        term *= f64::from(n - hits) / f64::from(hits + 1) * p / (1.0 - p);
    }
    total
}

/// At an alpha of 2^-20, the largest that the tests know, honest sources raise alarms; as many as it says.
#[test]
fn alarms_of_honest_sources_are_as_many_as_alpha_says() {
    const OF: usize = 512;
    let alpha = Alpha::from_exponent(20).unwrap();
    let mut run = Run::begin("honest-alarms", 20_000, 1_000_000);
    let mut rng = run.dice();
    for (thousandths, name) in [(8000, "8"), (6000, "6"), (1000, "1"), (100, "0.1")] {
        let h = f64::from(thousandths) / 1000.0;
        let claim = MinEntropy::from_thousandths(thousandths).unwrap();
        let limits = Limits::with_alpha(SampleKind::Byte, claim, alpha, Alpha::PERMANENT);
        let (mut tests, mut samples) = (HealthTests::new(limits), vec![0; OF]);
        let mut alarms = [0.0; 2];
        for _ in 0..run.count() {
            match thousandths {
                8000 => fill(&mut rng, &mut samples),
                _ => fill_claimed(&mut rng, h, &mut samples),
            }
            if let TestOutcome::Alarm(alarm) = tests.observe(&samples) {
                assert_eq!(alarm.severity, Severity::Intermittent);
                alarms[usize::from(alarm.test == Test::AdaptiveProportion)] += 1.0;
            }
        }
        let all = if thousandths == 8000 { vec![1.0 / 256.0; 256] } else { probabilities(h) };
        let windows = run.count() as f64;
        let (run_of, matches) =
            (limits.intermittent.repetition_count, limits.intermittent.adaptive_proportion);
        let starts: f64 = all.iter().map(|p| p.powi(run_of.cast_signed()) * (1.0 - p)).sum();
        let window: f64 = all.iter().map(|p| p * tail(511, matches - 1, *p)).sum();
        for (test, alarms, expected) in
            [("repetition", alarms[0], windows * 512.0 * starts), ("proportion", alarms[1], windows * window)]
        {
            run.figure(&format!("{test}_{name}"), format!("{alarms} of {expected:.1}"));
            // Two alarms in one window are counted as one, which is rare.
            assert!(
                (alarms - expected).abs() <= 6.0 * expected.sqrt() + 6.0,
                "H {name}: {alarms} of {expected}"
            );
        }
    }
}
