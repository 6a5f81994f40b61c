//! Runs of equal bits, 64 at a time.
//!
//! With `same` marking each bit that equals the next one, a run of at least *n* bits begins where a run begins
//! and this bit and the *n* - 2 after it are marked. So runs of each length are counted by shifting and counting
//! bits, without a branch on a random one.

#![expect(clippy::inline_always, reason = "compiled once more for processors with a bit count")]

/// Bytes in a block: 20,000 bits.
pub const BLOCK: usize = 2500;

/// Words of 64 bits, first bit uppermost; the last has 32 bits of the block, then zeros.
const WORDS: usize = BLOCK.div_ceil(8);
/// The bits of the last word that belong to the block.
const LAST: u64 = !0 << 32;

/// How many runs there may be of 1 to 5 bits, and of 6 and more; the same for ones and zeros.
const EXPECTED: [std::ops::RangeInclusive<u32>; 6] =
    [2315..=2685, 1114..=1386, 527..=723, 240..=384, 103..=209, 103..=209];

/// The runs of a block.
pub(super) struct Runs {
    /// Runs of at least 1 to 6 bits: of zeros, of ones.
    at_least: [[u32; 6]; 2],
    /// Whether one has 26 bits or more.
    pub(super) has_long: bool,
}

impl Runs {
    pub(super) fn as_expected(&self) -> bool {
        let expected = |at_least: &[u32; 6]| {
            let longer = at_least[1..].iter().chain([&0]);
            at_least
                .iter()
                .zip(longer)
                .zip(EXPECTED)
                .all(|((this, longer), range)| range.contains(&(this - longer)))
        };
        self.at_least.iter().all(expected)
    }
}

#[inline(always)]
pub(super) fn words(block: &[u8; BLOCK]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(block.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_be_bytes(whole);
    }
    words
}

#[inline(always)]
pub(super) fn count(words: &[u64; WORDS]) -> Runs {
    let same = same_as_next(words);
    let mut runs = Runs { at_least: [[0; 6]; 2], has_long: false };
    for index in 0..WORDS {
        let before = if index == 0 { 0 } else { same[index - 1] };
        let valid = if index == WORDS - 1 { LAST } else { !0 };
        let ahead = Ahead::new(&same, index);
        // A run begins at every bit that does not equal the one before.
        let mut begins = !(same[index] >> 1 | before << 63) & valid;
        for length in 0..6 {
            if length > 0 {
                begins &= ahead.shifted(length - 1);
            }
            runs.at_least[0][length as usize] += (begins & !words[index]).count_ones();
            runs.at_least[1][length as usize] += (begins & words[index]).count_ones();
        }
        runs.has_long |= ahead.of_26() != 0;
    }
    runs
}

/// Which bits equal the one after them. The last bit of the block has none after it.
#[inline(always)]
fn same_as_next(words: &[u64; WORDS]) -> [u64; WORDS] {
    let mut same = [0; WORDS];
    for index in 0..WORDS {
        let after = words.get(index + 1).copied().unwrap_or(0);
        same[index] = !(words[index] ^ (words[index] << 1 | after >> 63));
    }
    same[WORDS - 1] &= LAST << 1;
    same
}

/// A word of `same` and the one that follows, to look ahead from each of its bits.
struct Ahead(u128);

impl Ahead {
    #[inline(always)]
    fn new(same: &[u64; WORDS], index: usize) -> Self {
        let after = same.get(index + 1).copied().unwrap_or(0);
        Self(u128::from(same[index]) << 64 | u128::from(after))
    }

    /// The bits `by` places on.
    #[inline(always)]
    fn shifted(&self, by: u32) -> u64 {
        // The upper half; the rest belongs to the next word.
        (self.0 << by >> 64) as u64
    }

    /// Where 25 marked bits begin, which are 26 equal ones.
    #[inline(always)]
    fn of_26(&self) -> u64 {
        let two = self.0 & self.0 << 1;
        let four = two & two << 2;
        let eight = four & four << 4;
        let sixteen = eight & eight << 8;
        ((sixteen & eight << 16 & self.0 << 24) >> 64) as u64
    }
}
