//! Sequences that come again with some samples replaced, up to 131,072 samples later.

/// Samples of the sequence that is searched for.
pub(super) const LENGTH: usize = 64;
/// The same as a count.
pub(super) const OF: u32 = 64;
/// Windows in which it is searched for: as many as the longest span of a repetition has.
const SEARCHED: u32 = 32;
/// Windows after which another sequence is taken: comparing costs as much as all other tests together.
const EVERY: u32 = 1024;

/// What to do with a window, by the number of windows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Remember its first samples, and search the others.
    First,
    /// Search it; so many windows ago the sequence was taken.
    Search(u32),
    Rest,
}

impl Turn {
    pub(super) fn of(windows: u32) -> Self {
        match windows % EVERY {
            0 => Self::First,
            ago @ 1..=SEARCHED => Self::Search(ago),
            _ => Self::Rest,
        }
    }
}

/// The offset in `samples` of the piece that equals the sequence in the most places, and in how many.
#[inline(always)]
pub(super) fn most_similar(sequence: &[u8; LENGTH], samples: &[u8]) -> Option<(usize, u32)> {
    // In lanes of bytes, which cannot wrap: one vector instruction compares many.
    let equal = |piece: &[u8]| {
        let equal = sequence.iter().zip(piece).map(|(one, other)| u8::from(one == other));
        u32::from(equal.fold(0, u8::wrapping_add))
    };
    samples.windows(LENGTH).map(equal).enumerate().max_by_key(|(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_piece_is_found_at_any_offset() {
        let mut rng = soak::Rng::new(2);
        let samples: Vec<u8> = (0..1000).map(|_| rng.roll().to_le_bytes()[0]).collect();
        for offset in [0, 1, 500, 1000 - LENGTH] {
            let mut sequence: [u8; LENGTH] = std::array::from_fn(|at| samples[offset + at]);
            assert_eq!(most_similar(&sequence, &samples), Some((offset, 64)));
            sequence[..40].iter_mut().for_each(|sample| *sample ^= 1);
            assert_eq!(most_similar(&sequence, &samples), Some((offset, 24)));
        }
        assert_eq!(most_similar(&[0; LENGTH], &samples[..LENGTH - 1]), None);
    }

    #[test]
    fn every_window_of_a_span_is_searched() {
        let turns = [0, 1, 32, 33, 1023, 1024, 1025].map(Turn::of);
        let rest = Turn::Rest;
        assert_eq!(turns[..5], [Turn::First, Turn::Search(1), Turn::Search(32), rest, rest]);
        assert_eq!(turns[5..], turns[..2]);
    }
}
