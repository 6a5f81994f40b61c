//! What parts of the way of a byte cost by themselves, on one core.

use std::hint::black_box;
use std::time::Duration;

use dataplane::WaitHistogram;
use rustix::time::{ClockId, clock_gettime};
use source::condition::{Conditioner, HmacDrbg, OUTPUT, SEED};
use source::health::{HealthTests, Limits, MinEntropy, SampleKind, TestOutcome};

/// Bytes of samples in a round.
const SAMPLES: usize = 1 << 18;
/// Waits in a round.
const WAITS: u64 = 1 << 16;
/// Seconds of core that one figure takes.
const SECONDS: f64 = 0.5;

/// A figure of one part.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is of.
    pub what: &'static str,
    /// The figure.
    pub figure: f64,
    /// Its unit.
    pub unit: &'static str,
}

impl Part {
    /// Measures all of them.
    pub fn all() -> [Self; 3] {
        let samples = samples();
        let limits = Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE);
        let (mut health, mut conditioner) = (HealthTests::new(limits), Conditioner::new());
        let tested = rounds_per_second(|| test(&mut health, &samples));
        let both = rounds_per_second(|| {
            test(&mut health, &samples);
            condition(&mut conditioner, &samples);
        });
        let mut waits = WaitHistogram::default();
        // One nanosecond to some seconds, as waits are when there is something to wait for.
        let noted = rounds_per_second(|| {
            for wait in 0..WAITS {
                black_box(&mut waits).observe(black_box(wait.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 31));
            }
        });
        let megabytes = SAMPLES as f64 / 1e6;
        [
            Self { what: "health tests of SP 800-90B", figure: tested * megabytes, unit: "MB/s a core" },
            Self { what: "health tests and conditioning", figure: both * megabytes, unit: "MB/s a core" },
            Self {
                what: "a wait in the histogram",
                figure: 1e9 / (noted * WAITS as f64),
                unit: "ns a grant",
            },
        ]
    }

    /// As one JSON line.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({"part": self.what, "figure": self.figure, "unit": self.unit})
    }
}

fn samples() -> Vec<u8> {
    let mut samples = vec![0; SAMPLES];
    HmacDrbg::new(&[1; SEED], b"bench").generate(&mut samples);
    samples
}

fn test(health: &mut HealthTests, samples: &[u8]) {
    assert_eq!(health.observe(black_box(samples)), TestOutcome::Pass, "good samples raise no alarm");
}

/// As many blocks as the samples give.
fn condition(conditioner: &mut Conditioner, mut samples: &[u8]) {
    let mut block = [0; OUTPUT];
    while !samples.is_empty() {
        samples = &samples[conditioner.absorb(samples, MinEntropy::FULL_BYTE)..];
        black_box(conditioner.emit(&mut block));
    }
}

/// How often `work` is done in a second for which this thread has a core: what else runs does not count.
fn rounds_per_second(mut work: impl FnMut()) -> f64 {
    let begin = core_seconds();
    let mut rounds = 0_u32;
    loop {
        work();
        rounds += 1;
        let passed = core_seconds() - begin;
        if passed >= SECONDS {
            return f64::from(rounds) / passed;
        }
    }
}

fn core_seconds() -> f64 {
    let passed = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(passed).map_or(0.0, |passed| passed.as_secs_f64())
}
