//! The continuous test: words that come twice in a row.

use super::BLOCK;

/// Whether one of the block's 32-bit words equals the one before it, `last` being the one before the first.
pub(super) fn repeats(last: &mut [u8; 4], block: &[u8; BLOCK]) -> bool {
    let (words, _) = block.as_chunks::<4>();
    let mut repeated = false;
    for word in words {
        repeated |= word == last;
        *last = *word;
    }
    repeated
}
