//! One record of the state file: 64 bytes that say themselves whether they are whole.
//!
//! | bytes | what | written |
//! |---|---|---|
//! | 0–16 | whose it is | once |
//! | 16–24 | flags | seldom |
//! | 24–32 | checksum of these | with them |
//! | 32–40 | tokens, in bytes | with each charge |
//! | 40–48 | ctokens, in bytes | with each charge |
//! | 48–56 | when | with each charge |
//! | 56–64 | checksum of these, and of whose they are | with them |
//!
//! A process that is killed in the middle leaves one half of it torn; the other still counts.

use htb::{BucketLevels, Tick};

/// Bytes of a record: a line of the processor's cache.
pub(crate) const SIZE: usize = 64;
/// Bytes of each half.
pub(crate) const HALF: usize = SIZE / 2;

/// May the VM be served unsolicited?
const UNSOLICITED: u64 = 1;

/// Whose a record is: a digest of names.
pub(crate) type RecordOwner = u128;

/// The half that is written once: whose it is, and what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) owner: RecordOwner,
    /// It has only ever asked by 0x02, or nothing yet.
    pub(crate) unsolicited: bool,
}

/// What its buckets held, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketState {
    pub(crate) levels: BucketLevels,
    pub(crate) at: Tick,
}

/// A record as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nobody's.
    Free,
    /// Somebody's, of whom nothing can be told.
    Torn,
    /// Whose it is; `None` where what was held cannot be told.
    Of(RecordHeader, Option<BucketState>),
}

impl RecordHeader {
    pub(crate) fn encode(self) -> [u8; HALF] {
        let [high, low] = halves(self.owner);
        let flags = if self.unsolicited { UNSOLICITED } else { 0 };
        join([high, low, flags, check([high, low, flags, 0])])
    }
}

impl BucketState {
    pub(crate) fn encode(self, owner: RecordOwner) -> [u8; HALF] {
        let BucketLevels { tokens, ctokens } = self.levels;
        let words = [tokens.cast_unsigned(), ctokens.cast_unsigned(), self.at.0];
        join([words[0], words[1], words[2], seal(owner, words)])
    }
}

/// Reads a record, whatever happened to it.
pub(crate) fn decode(record: &[u8; SIZE]) -> Found {
    let words: [u64; 8] = std::array::from_fn(|at| word(&record[at * 8..]));
    if words == [0; 8] {
        return Found::Free;
    }
    let [high, low, flags, checked, tokens, ctokens, at, sealed] = words;
    if checked != check([high, low, flags, 0]) {
        return Found::Torn;
    }
    let owner = u128::from(high) << 64 | u128::from(low);
    let levels = BucketLevels { tokens: tokens.cast_signed(), ctokens: ctokens.cast_signed() };
    let whole = sealed == seal(owner, [tokens, ctokens, at]);
    Found::Of(
        RecordHeader { owner, unsolicited: flags & UNSOLICITED != 0 },
        whole.then_some(BucketState { levels, at: Tick(at) }),
    )
}

/// A half of it that belongs to somebody else now is not whole.
fn seal(owner: RecordOwner, [tokens, ctokens, at]: [u64; 3]) -> u64 {
    let [high, low] = halves(owner);
    check([high ^ low.rotate_left(32), tokens, ctokens, at])
}

/// A checksum against accidents. Each step is a bijection of what came before it, so a change within one word always
/// shows; one of more words is missed once in 2⁶⁴.
fn check(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0x9e37_79b9_7f4a_7c15, |sum: u64, word| {
        let mixed = (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    })
}

fn halves(owner: RecordOwner) -> [u64; 2] {
    // Cut in two on purpose.
    #[expect(clippy::cast_possible_truncation, reason = "the low half of two")]
    [(owner >> 64) as u64, owner as u64]
}

fn join(words: [u64; 4]) -> [u8; HALF] {
    let mut bytes = [0; HALF];
    bytes.chunks_exact_mut(8).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
    bytes
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn record(title: RecordHeader, held: BucketState) -> [u8; SIZE] {
        [title.encode(), held.encode(title.owner)].concat().try_into().unwrap()
    }

    fn title() -> impl Strategy<Value = RecordHeader> {
        (any::<u128>(), any::<bool>()).prop_map(|(owner, unsolicited)| RecordHeader { owner, unsolicited })
    }

    fn held() -> impl Strategy<Value = BucketState> {
        (any::<i64>(), any::<i64>(), any::<u64>()).prop_map(|(tokens, ctokens, at)| BucketState {
            levels: BucketLevels { tokens, ctokens },
            at: Tick(at),
        })
    }

    #[test]
    fn nothing_is_nobody_s() {
        assert_eq!(decode(&[0; SIZE]), Found::Free);
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(title in title(), held in held()) {
            prop_assert_eq!(decode(&record(title, held)), Found::Of(title, Some(held)));
        }

        #[test]
        fn no_flipped_bit_is_believed(title in title(), held in held(), bit in 0..SIZE * 8) {
            let mut bytes = record(title, held);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit / 8 < HALF { Found::Torn } else { Found::Of(title, None) };
            prop_assert_eq!(decode(&bytes), expected);
        }

        #[test]
        fn every_byte_set_to_anything_is_found_out(title in title(), held in held(), value in any::<u8>()) {
            let whole = record(title, held);
            for at in 0..SIZE {
                let mut bytes = whole;
                bytes[at] = value;
                let found = decode(&bytes);
                let expected = match at {
                    _ if bytes == whole => Found::Of(title, Some(held)),
                    _ if at < HALF => Found::Torn,
                    _ => Found::Of(title, None),
                };
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_write_cut_anywhere_leaves_the_old_or_the_new_or_nothing(
            (title, next) in (title(), title()), (held, after) in (held(), held()), cut in 0..=SIZE
        ) {
            // A record changes hands: first what is held, then whose it is.
            let (old, new) = (record(title, held), record(next, after));
            let order: Vec<usize> = (HALF..SIZE).chain(0..HALF).collect();
            let mut torn = old;
            order.iter().take(cut).for_each(|&at| torn[at] = new[at]);
            let found = decode(&torn);
            let allowed = [
                Found::Of(title, Some(held)), Found::Of(next, Some(after)),
                Found::Of(title, None), Found::Of(next, None), Found::Torn,
            ];
            prop_assert!(allowed.contains(&found), "{:?}", found);
        }

        #[test]
        fn levels_of_one_owner_are_not_another_s(title in title(), other in any::<u128>(), held in held()) {
            prop_assume!(halves(title.owner)[0] ^ halves(title.owner)[1].rotate_left(32)
                != halves(other)[0] ^ halves(other)[1].rotate_left(32));
            let bytes: [u8; SIZE] = [title.encode(), held.encode(other)].concat().try_into().unwrap();
            prop_assert_eq!(decode(&bytes), Found::Of(title, None));
        }
    }
}
