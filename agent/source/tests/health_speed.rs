//! How fast samples are tested and conditioned on one core. The floors are low: they detect a mistake, not a slow
//! machine. The figures are printed for information.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use source::condition::{Conditioner, FullEntropy, HmacDrbg, OUTPUT, SEED};
use source::fips::{BLOCK, BlockTests};
use source::health::{HealthState, HealthTests, Limits, MinEntropy, Monitor, SampleKind, TestOutcome};

const SIZE: u32 = 1 << 18;
/// MB/s that even a slow machine reaches.
const FLOOR: f64 = 10.0;

/// CPU seconds of this thread, so that other tests on the same cores do not count.
fn core_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap().as_secs_f64()
}

/// Prints and checks how many MB/s `work` gets through, `bytes` at a time.
fn measure(what: &str, bytes: u32, mut work: impl FnMut()) {
    let (start, mut rounds) = (core_seconds(), 0u32);
    while core_seconds() - start < 0.15 {
        work();
        rounds += 1;
    }
    let speed = f64::from(rounds) * f64::from(bytes) / (core_seconds() - start) / 1e6;
    println!("{what}: {speed:.0} MB/s a core");
    assert!(speed > FLOOR, "{what}: {speed:.1} MB/s a core");
}

/// The same for work that needs new bytes each time, which are not measured.
fn measure_work(what: &str, bytes: u32, mut round: impl FnMut(&mut dyn FnMut(&mut dyn FnMut()))) {
    let (mut seconds, mut rounds) = (0.0, 0u32);
    while seconds < 0.15 {
        round(&mut |work| {
            let start = core_seconds();
            work();
            seconds += core_seconds() - start;
        });
        rounds += 1;
    }
    let speed = f64::from(rounds) * f64::from(bytes) / seconds / 1e6;
    println!("{what}: {speed:.0} MB/s a core");
    assert!(speed > FLOOR, "{what}: {speed:.1} MB/s a core");
}

fn samples() -> Vec<u8> {
    let mut samples = vec![0; SIZE as usize];
    HmacDrbg::new(&[1; SEED], b"speed").generate(&mut samples);
    samples
}

fn tests() -> HealthTests {
    HealthTests::new(Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE))
}

/// As many blocks as the samples give.
fn condition(mut samples: &[u8], conditioner: &mut Conditioner) {
    let mut block = [0; OUTPUT];
    while !samples.is_empty() {
        samples = &samples[conditioner.absorb(samples, MinEntropy::FULL_BYTE)..];
        black_box(conditioner.emit(&mut block));
    }
}

/// The same with the DRBG's bytes in them.
fn emit(mut samples: &[u8], pool: &mut FullEntropy) {
    let mut block = [0; OUTPUT];
    while !samples.is_empty() {
        let taken = pool.conditioner().absorb(samples, MinEntropy::FULL_BYTE);
        samples = &samples[taken..];
        black_box(pool.emit(&mut block));
    }
}

#[test]
fn samples_are_tested_and_conditioned_faster_than_any_source_makes_them() {
    let samples = samples();

    let mut health = tests();
    measure("repetition count and adaptive proportion", SIZE, || {
        assert_eq!(health.observe(black_box(&samples)), TestOutcome::Pass);
    });

    let mut conditioner = Conditioner::new();
    measure("conditioner, bytes in", SIZE, || condition(&samples, &mut conditioner));

    measure("both together, bytes in", SIZE, || {
        assert_eq!(health.observe(black_box(&samples)), TestOutcome::Pass);
        condition(&samples, &mut conditioner);
    });

    let limits = Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE);
    let mut stream = HmacDrbg::new(&[4; SEED], b"stream");
    let mut fresh = samples.clone();
    let mut all = Monitor::new(limits, 0).unwrap();
    measure_work("all health tests", SIZE, |work| {
        // The tests would detect a loop.
        stream.generate(&mut fresh);
        work(&mut || {
            let _ = all.observe(black_box(&fresh), 0);
        });
    });
    assert_eq!(all.state(), HealthState::Healthy);
    measure_work("all health tests and the conditioner", SIZE, |work| {
        stream.generate(&mut fresh);
        work(&mut || {
            let _ = all.observe(black_box(&fresh), 0);
            condition(&fresh, &mut conditioner);
        });
    });
    assert_eq!(all.state(), HealthState::Healthy);

    let (mut health, mut pool) = (tests(), FullEntropy::new(&[2; SEED], b"speed"));
    measure("both and the DRBG of FullEntropy, bytes in", SIZE, || {
        assert_eq!(health.observe(black_box(&samples)), TestOutcome::Pass);
        emit(&samples, &mut pool);
    });

    let (mut drbg, mut out) = (HmacDrbg::new(&[3; SEED], b"speed"), vec![0; SIZE as usize]);
    measure("DRBG (Stretched), bytes out", SIZE, || drbg.generate(black_box(&mut out)));

    let (mut blocks, block) = (BlockTests::new([0; 4]), samples.first_chunk::<BLOCK>().unwrap());
    measure("FIPS 140-2 block tests", 2500, || {
        let _ = black_box(blocks.test(black_box(block)));
    });
}
