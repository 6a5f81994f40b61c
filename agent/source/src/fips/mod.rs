//! The block tests of FIPS 140-2 (errata of 2001-10-10) as `rngd` and `rngtest` run them: a second opinion for
//! operators who know them. The standard dropped them, and no entropy is credited for passing.
//!
//! [`BlockTests`] judges blocks, [`Policy`] says what follows for the source. About one good block in 1,250
//! fails by chance.

mod continuous;
mod poker;
mod policy;
mod runs;

pub use policy::{FailurePolicy, PolicyDecision};

/// Bytes in a block: 20,000 bits.
pub const BLOCK: usize = 2500;

const ONES: std::ops::RangeInclusive<u32> = 9726..=10_274;

/// One of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTest {
    /// As many ones as zeros.
    Monobit,
    /// All nibbles equally often.
    Poker,
    /// Runs of each length as often as expected.
    Runs,
    /// No run of 26 bits or more.
    LongRun,
    /// No 32-bit word twice in a row.
    Continuous,
}

impl BlockTest {
    /// All of them, in the order in which `rngtest` prints them.
    pub const ALL: [Self; 5] = [Self::Monobit, Self::Poker, Self::Runs, Self::LongRun, Self::Continuous];
}

/// The tests that a block failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Findings(u8);

impl Findings {
    /// Whether no test failed.
    pub fn passed(self) -> bool {
        self.0 == 0
    }

    /// Whether this test failed.
    pub fn failed(self, test: BlockTest) -> bool {
        self.0 & (1 << test as u8) != 0
    }

    fn note(&mut self, test: BlockTest, failed: bool) {
        self.0 |= u8::from(failed) << test as u8;
    }
}

/// The tests with what they remember from one block to the next: its last word.
#[derive(Clone, Debug)]
pub struct BlockTests {
    last: [u8; 4],
}

impl BlockTests {
    /// `reference` are the source's first four bytes, which are not tested and not to be used otherwise.
    pub fn new(reference: [u8; 4]) -> Self {
        Self { last: reference }
    }

    /// Runs all tests on one block. Its bits count from the most significant of each byte.
    pub fn judge(&mut self, block: &[u8; BLOCK]) -> Findings {
        let words = runs::words(block);
        let ones = words.iter().map(|word| word.count_ones()).sum();
        let runs = runs::count(&words);
        let mut findings = Findings::default();
        findings.note(BlockTest::Monobit, !ONES.contains(&ones));
        findings.note(BlockTest::Poker, !poker::passes(block));
        findings.note(BlockTest::Runs, !runs.as_expected());
        findings.note(BlockTest::LongRun, runs.has_long);
        findings.note(BlockTest::Continuous, continuous::repeats(&mut self.last, block));
        findings
    }
}

#[cfg(test)]
mod tests;
