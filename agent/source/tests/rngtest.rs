//! The block tests of FIPS 140-2 agree with Debian's `rngtest` on every block, test by test.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use soak::Run;
use source::fips::{BLOCK, BlockTest, BlockTests};

/// Blocks of one run of `rngtest`.
const BLOCKS: usize = 10_000;
const REFERENCE: [u8; 4] = *b"seed";

struct Rng(soak::Rng);

impl Rng {
    fn roll(&mut self) -> u64 {
        self.0.roll()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }

    fn even(&mut self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        for bytes in block.chunks_mut(8) {
            bytes.copy_from_slice(&self.roll().to_be_bytes()[..bytes.len()]);
        }
        block
    }

    /// True with a probability of `thousandths`.
    fn happens(&mut self, thousandths: u64) -> bool {
        self.roll() % 1000 < thousandths
    }
}

/// Bits of which about so many thousandths are ones: 514 is where the monobit test begins to fail.
fn biased(rng: &mut Rng, thousandths: u64) -> [u8; BLOCK] {
    std::array::from_fn(|_| (0..8).fold(0, |byte, _| byte << 1 | u8::from(rng.happens(thousandths))))
}

/// Bits that differ from the one before in about so many thousandths: runs too short or too long.
fn sticky(rng: &mut Rng, thousandths: u64) -> [u8; BLOCK] {
    let mut bit = 0;
    std::array::from_fn(|_| {
        (0..8).fold(0, |byte, _| {
            bit ^= u8::from(rng.happens(thousandths));
            byte << 1 | bit
        })
    })
}

/// One nibble in `among` is replaced by a favourite that has as many ones as zeros.
fn favourite(rng: &mut Rng, among: usize) -> [u8; BLOCK] {
    let mut block = rng.even();
    for byte in &mut block {
        if rng.below(among) == 0 {
            *byte = *byte & 0xf0 | 0x05;
        }
    }
    block
}

/// A run of 24 to 27 bits somewhere, often at an end of the block.
fn with_run(rng: &mut Rng) -> [u8; BLOCK] {
    let (mut block, length, ones) = (rng.even(), 24 + rng.below(4), rng.below(2) == 1);
    let last = BLOCK * 8 - length;
    let from = [0, last, rng.below(last)][rng.below(3)];
    let around = from.saturating_sub(1)..(from + length + 1).min(BLOCK * 8);
    for bit in around {
        let inside = (from..from + length).contains(&bit);
        let mask = 0x80 >> (bit % 8);
        if inside == ones { block[bit / 8] |= mask } else { block[bit / 8] &= !mask }
    }
    block
}

/// Four bytes that come twice, on a word's border or beside it, or that differ in one bit after all.
fn with_repeat(rng: &mut Rng, last: [u8; 4]) -> [u8; BLOCK] {
    let mut block = rng.even();
    if rng.below(3) == 0 {
        block[..4].copy_from_slice(&last);
    } else {
        let at = rng.below(BLOCK - 8);
        block.copy_within(at..at + 4, at + 4);
        block[at + 4] ^= u8::from(rng.below(4) == 0);
    }
    block
}

fn block(rng: &mut Rng, last: [u8; 4]) -> [u8; BLOCK] {
    match rng.below(8) {
        0 => with_run(rng),
        1 => with_repeat(rng, last),
        2 => {
            let thousandths = [484, 486, 488, 512, 514, 516][rng.below(6)];
            biased(rng, thousandths)
        }
        3 => {
            let thousandths = [470, 480, 485, 515, 520, 530][rng.below(6)];
            sticky(rng, thousandths)
        }
        4 => {
            let among = 40 + rng.below(40);
            favourite(rng, among)
        }
        _ => rng.even(),
    }
}

fn blocks(rng: &mut Rng, count: usize) -> Vec<[u8; BLOCK]> {
    let mut last = REFERENCE;
    let next = |_| {
        let block = block(rng, last);
        last = *block.last_chunk().unwrap();
        block
    };
    (0..count).map(next).collect()
}

fn rngtest() -> Child {
    Command::new("rngtest")
        .arg("--blockstats=1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| {
            panic!("cannot run rngtest ({cause}): install Debian's package rng-tools-debian")
        })
}

/// The output of rngtest, with the failures of each test so far after each block.
fn output_of(mut rngtest: Child, blocks: Vec<[u8; BLOCK]>) -> String {
    let mut stdin = rngtest.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        stdin.write_all(&REFERENCE).unwrap();
        for block in blocks {
            stdin.write_all(&block).unwrap();
        }
    });
    let mut output = String::new();
    rngtest.stderr.take().unwrap().read_to_string(&mut output).unwrap();
    writer.join().unwrap();
    rngtest.wait().unwrap();
    output
}

/// The failures of each test so far, after each block.
fn sums_in(output: &str) -> Vec<[u64; 5]> {
    let figures: Vec<u64> = output
        .lines()
        .filter_map(|line| line.strip_prefix("rngtest: FIPS 140-2(2001-10-10) "))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    figures.as_chunks().0.to_vec()
}

/// Compares both on so many blocks; returns how many passed, and how many failed each test.
fn compare(rng: &mut Rng, count: usize) -> (usize, [u64; 5]) {
    let blocks = blocks(rng, count);
    let output = output_of(rngtest(), blocks.clone());
    let sums = sums_in(&output);
    assert!(sums.len() >= count, "rngtest tested {} blocks of {count}: {output:.400}", sums.len());

    let (mut tests, mut before, mut good) = (BlockTests::new(REFERENCE), [0; 5], 0);
    for (index, (block, sum)) in blocks.iter().zip(&sums).enumerate() {
        let findings = tests.test(block);
        let ours = BlockTest::ALL.map(|test| findings.failed(test));
        let theirs = std::array::from_fn(|test| sum[test] > before[test]);
        assert_eq!(ours, theirs, "block {index}");
        good += usize::from(findings.passed());
        before = *sum;
    }
    (good, before)
}

#[test]
fn results_are_those_of_rngtest_block_by_block_and_test_by_test() {
    let mut run = Run::begin("rngtest", 10_000, 1_000_000);
    let (mut rng, mut good, mut failed) = (Rng(run.dice()), 0, [0; 5]);
    let mut left = usize::try_from(run.count()).unwrap();
    while left > 0 {
        let (passed, failures) = compare(&mut rng, left.min(BLOCKS));
        good += passed;
        failed.iter_mut().zip(failures).for_each(|(sum, more)| *sum += more);
        left -= left.min(BLOCKS);
    }
    run.figure("passed", good);
    for (test, failures) in BlockTest::ALL.into_iter().zip(failed) {
        run.figure(&format!("{test:?}"), failures);
        assert!(failures > run.count() / 50, "each test is tried: {failed:?}");
    }
    assert!(good as u64 > run.count() / 2);
}
