//! What each output gives, as Debian's `rngtest` and estimators of SP 800-90B 6.3 see it.
//!
//! NIST's own program is not packaged; docs/soak.md has its figures. Here are the estimators that say something about
//! bytes of full entropy in a pass: the most common value (6.3.1), and the Markov chain (6.3.3) of each bit lane.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use soak::Run;
use source::Output;
use source::fake::{Fake, FakeNode, device, pool};

const MEGABYTE: usize = 1_000_000;
/// Bytes of a block of FIPS 140-2.
const BLOCK: usize = 2500;

/// How many blocks of these `rngtest` fails.
fn failed_blocks(bytes: Vec<u8>) -> u32 {
    let mut rngtest = Command::new("rngtest")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| {
            panic!("cannot run rngtest ({cause}): install Debian's package rng-tools-debian")
        });
    let mut stdin = rngtest.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let mut report = String::new();
    rngtest.stderr.take().unwrap().read_to_string(&mut report).unwrap();
    writer.join().unwrap();
    rngtest.wait().unwrap();
    let failures = report.lines().find_map(|line| line.split("FIPS 140-2 failures: ").nth(1));
    failures.unwrap_or_else(|| panic!("no count of failures: {report}")).trim().parse().unwrap()
}

/// The upper end of the 99 % interval of a proportion.
fn upper(count: f64, of: f64) -> f64 {
    let p = count / of;
    (p + 2.576 * (p * (1.0 - p) / (of - 1.0)).sqrt()).min(1.0)
}

/// 6.3.1: bits of min-entropy of a byte.
fn most_common_value(bytes: &[u8]) -> f64 {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    -upper(*counts.iter().max().unwrap() as f64, bytes.len() as f64).log2()
}

/// 6.3.3: bits of min-entropy of one bit, by the likeliest sequence of 128 of them.
fn markov(bytes: &[u8], bit: u8) -> f64 {
    let mut pairs = [[0_f64; 2]; 2];
    for two in bytes.windows(2) {
        pairs[usize::from(two[0] >> bit & 1)][usize::from(two[1] >> bit & 1)] += 1.0;
    }
    let ones = bytes.iter().filter(|byte| **byte >> bit & 1 == 1).count() as f64 / bytes.len() as f64;
    // log2 of the likeliest sequence so far that ends in each value.
    let next = |from: usize, to: usize| (pairs[from][to] / (pairs[from][0] + pairs[from][1])).log2();
    let mut likeliest = [(1.0 - ones).log2(), ones.log2()];
    for _ in 1..128 {
        likeliest = [0, 1].map(|to| (likeliest[0] + next(0, to)).max(likeliest[1] + next(1, to)));
    }
    (-likeliest[0].max(likeliest[1]) / 128.0).min(1.0)
}

#[test]
fn every_output_passes_rngtest_and_the_estimators() {
    let mut run = Run::begin("output-quality", 1, 100);
    let megabytes = usize::try_from(run.count()).unwrap();
    let mut rng = run.dice();
    for (output, name) in
        [(Output::Raw, "raw"), (Output::Stretched, "stretched"), (Output::FullEntropy, "full_entropy")]
    {
        let mut node = FakeNode::new(&[Fake::new(rng.roll())]);
        let index = node.add(pool(output, &[device("trng", 0)]));
        let bytes = node.draw(index, megabytes * MEGABYTE);
        let common = most_common_value(&bytes);
        let markov = (0..8).map(|bit| markov(&bytes, bit)).fold(1.0, f64::min);
        let blocks = (bytes.len() / BLOCK) as f64;
        let failed = failed_blocks(bytes);
        run.figure(&format!("{name}_failed_blocks"), failed);
        run.figure(&format!("{name}_common_value"), (common * 1000.0).round() / 1000.0);
        run.figure(&format!("{name}_markov"), (markov * 10_000.0).round() / 10_000.0);
        // One random block in about 1,250 fails.
        let expected = blocks / 1250.0;
        assert!(f64::from(failed) < expected + 6.0 * expected.sqrt() + 3.0, "{name}: {failed} blocks failed");
        // The largest of 256 counts is some four deviations above their mean, and the interval adds 2.6.
        let deviation = (256.0 / (megabytes * MEGABYTE) as f64).sqrt();
        assert!(common > 8.0 - 8.0 * deviation * std::f64::consts::LOG2_E, "{name}: {common} bits");
        assert!(markov > 0.99, "{name}: {markov} bits");
    }
}
