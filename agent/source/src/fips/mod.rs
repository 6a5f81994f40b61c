//! The block tests of FIPS 140-2 (errata of 2001-10-10) as `rngd` and `rngtest` run them: for operators
//! who know them. The standard dropped them, and passing them earns no credit.
//!
//! [`BlockTests`] tests blocks, [`FailurePolicy`] decides what follows for the source. About one good block in 1,250
//! fails by chance.

mod policy;
mod runs;

pub use policy::{FailurePolicy, PolicyDecision};
pub use runs::BLOCK;

/// How many bits of a block may be ones.
const ONES: std::ops::RangeInclusive<u32> = 9726..=10_274;
/// Where the sum of the squared counts of the nibbles must be: chi squared, 16/5000 · sum - 5000, between 2.16 and
/// 46.17.
const SQUARES: std::ops::RangeInclusive<u32> = 1_563_176..=1_576_928;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTest {
    /// About as many ones as zeros.
    Monobit,
    /// All nibbles about equally often.
    Poker,
    /// Runs of each length about as often as expected.
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

/// Which tests a block failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Findings(u8);

impl Findings {
    pub fn passed(self) -> bool {
        self.0 == 0
    }

    pub fn failed(self, test: BlockTest) -> bool {
        self.0 & (1 << test as u8) != 0
    }

    fn set(&mut self, test: BlockTest, failed: bool) {
        self.0 |= u8::from(failed) << test as u8;
    }
}

/// The tests, with the last word of the block before.
#[derive(Clone, Debug)]
pub struct BlockTests {
    last: [u8; 4],
}

impl BlockTests {
    /// `reference` are the source's first four bytes, which must not be used otherwise.
    pub fn new(reference: [u8; 4]) -> Self {
        Self { last: reference }
    }

    /// Runs all tests on one block. Bits are taken from the most significant of each byte.
    pub fn test(&mut self, block: &[u8; BLOCK]) -> Findings {
        self.test_inline(block)
    }

    /// To be compiled once more for processors with more instructions.
    #[expect(clippy::inline_always, reason = "compiled once more for processors with a bit count")]
    #[inline(always)]
    pub(crate) fn test_inline(&mut self, block: &[u8; BLOCK]) -> Findings {
        let words = runs::words(block);
        let ones = words.iter().map(|word| word.count_ones()).sum();
        let runs = runs::count(&words);
        let mut findings = Findings::default();
        findings.set(BlockTest::Monobit, !ONES.contains(&ones));
        findings.set(BlockTest::Poker, !passes_poker(block));
        findings.set(BlockTest::Runs, !runs.as_expected());
        findings.set(BlockTest::LongRun, runs.has_long);
        findings.set(BlockTest::Continuous, has_repeated_word(&mut self.last, block));
        findings
    }
}

/// The poker test: how often each of the sixteen nibbles comes among 5,000.
fn passes_poker(block: &[u8; BLOCK]) -> bool {
    let mut bytes = [[0u16; 256]; 2];
    for pair in block.as_chunks::<2>().0 {
        bytes[0][usize::from(pair[0])] += 1;
        bytes[1][usize::from(pair[1])] += 1;
    }
    let mut counts = [0u32; 16];
    for (byte, (one, other)) in bytes[0].iter().zip(&bytes[1]).enumerate() {
        let count = u32::from(one + other);
        counts[byte >> 4] += count;
        counts[byte & 15] += count;
    }
    SQUARES.contains(&counts.iter().map(|count| count * count).sum())
}

/// The continuous test: whether one of the block's 32-bit words equals the one before it. `last` is the word before the
/// first.
fn has_repeated_word(last: &mut [u8; 4], block: &[u8; BLOCK]) -> bool {
    let (words, _) = block.as_chunks::<4>();
    let mut repeated = false;
    for word in words {
        repeated |= word == last;
        *last = *word;
    }
    repeated
}

#[cfg(test)]
mod tests;
