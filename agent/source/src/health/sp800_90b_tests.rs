#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::health::{Alpha, MinEntropy, SampleKind};

/// SP 800-90B 4.4 as its pseudo-code has it, one sample at a time.
struct Plain {
    limits: Limits,
    run: (Option<u8>, u32),
    window: Vec<u8>,
}

impl Plain {
    fn new(limits: Limits) -> Self {
        Self { limits, run: (None, 0), window: Vec::new() }
    }

    fn observe(&mut self, sample: u8) -> [Option<Severity>; 2] {
        self.run =
            if self.run.0 == Some(sample) { (Some(sample), self.run.1 + 1) } else { (Some(sample), 1) };
        if self.window.len() == self.limits.window as usize {
            self.window.clear();
        }
        self.window.push(sample);
        let matches = self.window.iter().map(|seen| u32::from(*seen == self.window[0])).sum();
        let matches = if sample == self.window[0] { matches } else { 0 };
        let (soft, hard) = (self.limits.intermittent, self.limits.permanent);
        [
            severity(self.run.1, soft.repetition_count, hard.repetition_count),
            severity(matches, soft.adaptive_proportion, hard.adaptive_proportion),
        ]
    }
}

fn severity(count: u32, intermittent: u32, permanent: u32) -> Option<Severity> {
    match count {
        count if count >= permanent => Some(Severity::Permanent),
        count if count == intermittent => Some(Severity::Intermittent),
        _ => None,
    }
}

/// The outcome of the plain tests for a slice.
fn plain_outcome(plain: &mut Plain, samples: &[u8]) -> TestOutcome {
    let mut worst = None;
    for (at, &sample) in samples.iter().enumerate() {
        let severitys = plain.observe(sample);
        for (test, severity) in [Test::RepetitionCount, Test::AdaptiveProportion].into_iter().zip(severitys) {
            if let Some(severity) = severity {
                worst = Some(more_severe(worst, Alarm { test, severity, at }));
            }
        }
    }
    worst.map_or(TestOutcome::Pass, TestOutcome::Alarm)
}

fn limits(kind: SampleKind, thousandths: u16, alpha: u8) -> Limits {
    let alpha = Alpha::from_exponent(alpha).unwrap();
    Limits::with_alpha(kind, MinEntropy::from_thousandths(thousandths).unwrap(), alpha, Alpha::PERMANENT)
}

/// Samples that are even, biased towards one value, or stuck for a while.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let even = prop::collection::vec(any::<u8>(), 0..600);
    let biased = prop::collection::vec(prop_oneof![Just(7u8), 0u8..4], 0..600);
    let stuck = (any::<u8>(), 0usize..700).prop_map(|(value, count)| vec![value; count]);
    prop::collection::vec(prop_oneof![even, biased, stuck], 1..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn outcomes_equal_the_plain_tests_however_the_stream_is_cut(
        samples in stream(),
        cuts in prop::collection::vec(1usize..5000, 1..40),
        choice in any::<usize>(),
        bits: bool,
    ) {
        let kind = if bits { SampleKind::Bit } else { SampleKind::Byte };
        let limits = LIMITS.with(|limits| limits[choice % limits.len()]);
        let limits = Limits { kind, ..limits };
        let (mut tests, mut plain) = (HealthTests::new(limits), Plain::new(limits));
        let (mut rest, mut cuts) = (&samples[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (slice, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            prop_assert_eq!(tests.observe(slice), plain_outcome(&mut plain, slice));
            rest = after;
        }
    }
}

thread_local! {
    /// Limits from strict to loose, computed once: exact arithmetic is not free.
    static LIMITS: Vec<Limits> = [(8000, 30), (8000, 60), (6000, 40), (2000, 40), (1000, 30), (300, 30), (100, 30)]
        .map(|(thousandths, alpha)| limits(SampleKind::Byte, thousandths, alpha))
        .to_vec();
}

#[test]
fn a_stuck_source_is_found_in_exactly_as_many_samples_as_the_cutoff_says() {
    for stuck in [0x00, 0xff, 0xa5] {
        let limits = limits(SampleKind::Byte, 8000, 40);
        let cutoff = limits.intermittent.repetition_count as usize;
        let mut tests = HealthTests::new(limits);
        assert_eq!(tests.observe(&vec![stuck; cutoff - 1]), TestOutcome::Pass);
        let alarm = Alarm { test: Test::RepetitionCount, severity: Severity::Intermittent, at: 0 };
        assert_eq!(tests.observe(&[stuck]), TestOutcome::Alarm(alarm));
        let left = limits.permanent.repetition_count as usize - cutoff;
        let alarm = Alarm { severity: Severity::Permanent, at: left - 1, ..alarm };
        assert_eq!(tests.observe(&vec![stuck; left]), TestOutcome::Alarm(alarm));
    }
}

#[test]
fn a_source_of_period_two_is_found_by_its_proportion() {
    let limits = limits(SampleKind::Byte, 8000, 40);
    let samples: Vec<u8> = [1, 2].into_iter().cycle().take(512).collect();
    let TestOutcome::Alarm(alarm) = HealthTests::new(limits).observe(&samples) else { panic!("not found") };
    assert_eq!((alarm.test, alarm.severity), (Test::AdaptiveProportion, Severity::Permanent));
    assert_eq!(alarm.at, 2 * (limits.permanent.adaptive_proportion as usize - 1));
}

#[test]
fn a_source_that_returns_a_zero_word_in_ten_is_found_by_the_first_two_in_a_row() {
    let mut tests = HealthTests::new(limits(SampleKind::Byte, 8000, 40));
    let mut samples: Vec<u8> = (0..40).map(|n: u8| n.wrapping_mul(37) | 1).collect();
    samples.extend([0; 8]);
    assert!(matches!(
        tests.observe(&samples),
        TestOutcome::Alarm(Alarm { test: Test::RepetitionCount, at: 45.., .. })
    ));
}

#[test]
fn a_biased_bit_is_found_in_one_window() {
    let limits = limits(SampleKind::Bit, 1000, 40);
    let samples: Vec<u8> = (0..1024).map(|n: u32| u8::from(n % 4 == 3)).collect();
    assert!(matches!(
        HealthTests::new(limits).observe(&samples),
        TestOutcome::Alarm(Alarm { test: Test::AdaptiveProportion, severity: Severity::Permanent, .. })
    ));
}

#[test]
fn a_source_stuck_forever_overflows_no_count() {
    let limits = limits(SampleKind::Byte, 8000, 40);
    let mut tests = HealthTests::new(limits);
    tests.repetition.observe_all(&[9; 64], u32::MAX);
    for _ in 0..64 {
        assert!(matches!(
            tests.observe(&[9; STRIDE]),
            TestOutcome::Alarm(Alarm { severity: Severity::Permanent, .. })
        ));
    }
}
