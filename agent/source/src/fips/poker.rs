//! The poker test: how often each of the sixteen nibbles comes among 5,000.

use super::BLOCK;

/// Where the sum of the squared counts must be: chi squared, 16/5000 · sum - 5000, between 2.16 and 46.17.
const SUM: std::ops::RangeInclusive<u32> = 1_563_176..=1_576_928;

pub(super) fn passes(block: &[u8; BLOCK]) -> bool {
    let mut counts = [0u32; 16];
    for byte in block {
        counts[usize::from(byte >> 4)] += 1;
        counts[usize::from(byte & 15)] += 1;
    }
    SUM.contains(&counts.iter().map(|count| count * count).sum())
}
