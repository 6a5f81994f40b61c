//! One record of the state file: 64 bytes with checksums.
//!
//! | bytes | field | written |
//! |---|---|---|
//! | 0–16 | owner | once |
//! | 16–24 | flags | rarely |
//! | 24–32 | checksum of these | with them |
//! | 32–40 | tokens, in bytes | with each charge |
//! | 40–48 | ctokens, in bytes | with each charge |
//! | 48–56 | time | with each charge |
//! | 56–64 | checksum of these and the owner | with them |
//!
//! A process that is killed while it writes leaves one half torn; the other is still valid.

use htb::{BucketLevels, Tick};

/// Bytes of a record: a line of the processor's cache.
pub(crate) const SIZE: usize = 64;
/// Bytes of each half.
pub(crate) const HALF: usize = SIZE / 2;

/// Flag: the VM may be served unsolicited.
const UNSOLICITED: u64 = 1;

/// The owner of a record: a digest of names.
pub(crate) type RecordOwner = u128;

/// The first half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) owner: RecordOwner,
    /// It has only ever sent 0x02, or nothing yet.
    pub(crate) unsolicited: bool,
}

/// The second half: the levels of its buckets at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketState {
    pub(crate) levels: BucketLevels,
    pub(crate) at: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Free,
    /// The owner cannot be read.
    Torn,
    /// `None` where the levels cannot be read.
    Record(RecordHeader, Option<BucketState>),
}

impl RecordHeader {
    pub(crate) fn encode(self) -> [u8; HALF] {
        let [high, low] = halves(self.owner);
        let flags = if self.unsolicited { UNSOLICITED } else { 0 };
        join([high, low, flags, checksum_of([high, low, flags, 0])])
    }
}

impl BucketState {
    pub(crate) fn encode(self, owner: RecordOwner) -> [u8; HALF] {
        let BucketLevels { tokens, ctokens } = self.levels;
        let words = [tokens.cast_unsigned(), ctokens.cast_unsigned(), self.at.0];
        join([words[0], words[1], words[2], levels_checksum(owner, words)])
    }
}

/// Decodes a record, valid or not.
pub(crate) fn decode(record: &[u8; SIZE]) -> Decoded {
    let words: [u64; 8] = std::array::from_fn(|at| word(&record[at * 8..]));
    if words == [0; 8] {
        return Decoded::Free;
    }
    let [high, low, flags, header_checksum, tokens, ctokens, at, checksum] = words;
    if header_checksum != checksum_of([high, low, flags, 0]) {
        return Decoded::Torn;
    }
    let owner = u128::from(high) << 64 | u128::from(low);
    let levels = BucketLevels { tokens: tokens.cast_signed(), ctokens: ctokens.cast_signed() };
    let valid = checksum == levels_checksum(owner, [tokens, ctokens, at]);
    Decoded::Record(
        RecordHeader { owner, unsolicited: flags & UNSOLICITED != 0 },
        valid.then_some(BucketState { levels, at: Tick(at) }),
    )
}

/// Includes the owner, so that levels of a former owner are invalid.
fn levels_checksum(owner: RecordOwner, [tokens, ctokens, at]: [u64; 3]) -> u64 {
    let [high, low] = halves(owner);
    checksum_of([high ^ low.rotate_left(32), tokens, ctokens, at])
}

/// A checksum against accidents. Each step is a bijection of its input, so a change within one word is always detected;
/// one of several words is missed once in 2⁶⁴.
fn checksum_of(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0x9e37_79b9_7f4a_7c15, |sum: u64, word| {
        let mixed = (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    })
}

fn halves(owner: RecordOwner) -> [u64; 2] {
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

    fn record(header: RecordHeader, state: BucketState) -> [u8; SIZE] {
        [header.encode(), state.encode(header.owner)].concat().try_into().unwrap()
    }

    fn header() -> impl Strategy<Value = RecordHeader> {
        (any::<u128>(), any::<bool>()).prop_map(|(owner, unsolicited)| RecordHeader { owner, unsolicited })
    }

    fn state() -> impl Strategy<Value = BucketState> {
        (any::<i64>(), any::<i64>(), any::<u64>()).prop_map(|(tokens, ctokens, at)| BucketState {
            levels: BucketLevels { tokens, ctokens },
            at: Tick(at),
        })
    }

    #[test]
    fn a_record_of_zeros_is_free() {
        assert_eq!(decode(&[0; SIZE]), Decoded::Free);
    }

    proptest! {
        #[test]
        fn an_encoded_record_is_decoded(header in header(), state in state()) {
            prop_assert_eq!(decode(&record(header, state)), Decoded::Record(header, Some(state)));
        }

        #[test]
        fn a_flipped_bit_is_detected(header in header(), state in state(), bit in 0..SIZE * 8) {
            let mut bytes = record(header, state);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit / 8 < HALF { Decoded::Torn } else { Decoded::Record(header, None) };
            prop_assert_eq!(decode(&bytes), expected);
        }

        #[test]
        fn a_changed_byte_is_detected(header in header(), state in state(), value in any::<u8>()) {
            let valid = record(header, state);
            for at in 0..SIZE {
                let mut bytes = valid;
                bytes[at] = value;
                let decoded = decode(&bytes);
                let expected = match at {
                    _ if bytes == valid => Decoded::Record(header, Some(state)),
                    _ if at < HALF => Decoded::Torn,
                    _ => Decoded::Record(header, None),
                };
                prop_assert_eq!(decoded, expected);
            }
        }

        #[test]
        fn a_torn_write_leaves_the_old_or_the_new_or_an_invalid_record(
            (header, next) in (header(), header()), (state, after) in (state(), state()), cut in 0..=SIZE
        ) {
            // A record is allocated to another owner: levels are written first.
            let (old, new) = (record(header, state), record(next, after));
            let order: Vec<usize> = (HALF..SIZE).chain(0..HALF).collect();
            let mut torn = old;
            order.iter().take(cut).for_each(|&at| torn[at] = new[at]);
            let decoded = decode(&torn);
            let allowed = [
                Decoded::Record(header, Some(state)), Decoded::Record(next, Some(after)),
                Decoded::Record(header, None), Decoded::Record(next, None), Decoded::Torn,
            ];
            prop_assert!(allowed.contains(&decoded), "{:?}", decoded);
        }

        #[test]
        fn levels_of_another_owner_are_invalid(header in header(), other in any::<u128>(), state in state()) {
            prop_assume!(halves(header.owner)[0] ^ halves(header.owner)[1].rotate_left(32)
                != halves(other)[0] ^ halves(other)[1].rotate_left(32));
            let bytes: [u8; SIZE] = [header.encode(), state.encode(other)].concat().try_into().unwrap();
            prop_assert_eq!(decode(&bytes), Decoded::Record(header, None));
        }
    }
}
