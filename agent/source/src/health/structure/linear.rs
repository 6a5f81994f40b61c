//! Bits that follow from those before by a linear recurrence: shift registers, and generators that are built of them.

/// Bits of a sequence.
pub(super) const BITS: usize = 512;
/// The same as a count.
pub(super) const OF: u32 = 512;
/// 64-bit words of a polynomial of degree up to [`BITS`].
const WORDS: usize = BITS / 64 + 1;

/// Coefficients of a polynomial over GF(2), that of x^0 first; or bits, the last one first.
#[derive(Clone, Copy)]
struct Polynomial([u64; WORDS]);

impl Polynomial {
    /// Multiplies by x, and sets the coefficient of x^0.
    #[inline(always)]
    fn shift_in(&mut self, bit: u64) {
        let mut carry = bit;
        for word in &mut self.0 {
            (*word, carry) = (*word << 1 | carry, *word >> 63);
        }
    }

    #[inline(always)]
    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word ^= other);
    }

    /// The sum of the products of the coefficients.
    #[inline(always)]
    fn dot(&self, other: &Self) -> u32 {
        let all = self.0.iter().zip(other.0).fold(0, |all, (word, other)| all ^ word & other);
        all.count_ones() & 1
    }
}

/// The length of the shortest shift register that makes bit `lane` of these samples, by the algorithm of Berlekamp and
/// Massey. If the register of the first 2·L bits makes all *n*, it predicted the other *n* - 2·L.
#[inline(always)]
pub(super) fn complexity(samples: &[u8; BITS], lane: u8) -> u32 {
    let one = Polynomial(std::array::from_fn(|word| u64::from(word == 0)));
    let (mut register, mut before, mut bits) = (one, one, Polynomial([0; WORDS]));
    let mut length = 0;
    for (count, sample) in (0..OF).zip(samples) {
        bits.shift_in(u64::from(sample >> lane & 1));
        before.shift_in(0);
        if register.dot(&bits) == 0 {
            continue;
        }
        let last = register;
        register.add(&before);
        if 2 * length <= count {
            (length, before) = (count + 1 - length, last);
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(mut next: impl FnMut() -> u8) -> [u8; BITS] {
        std::array::from_fn(|_| next())
    }

    #[test]
    fn a_shift_register_has_its_length() {
        for (taps, degree) in [(0b1001_u64, 3), (1 << 16 | 1 << 14 | 1 << 13 | 1 << 11 | 1, 16)] {
            let mut state = 1_u64;
            let register = samples(|| {
                let bit = u64::from((state & taps & ((1 << degree) - 1)).count_ones() & 1);
                state = (state << 1 | bit) & ((1 << degree) - 1);
                u8::from(bit == 1) << 3
            });
            assert!(complexity(&register, 3) <= degree);
            assert_eq!(complexity(&register, 2), 0, "no bit is set");
        }
    }

    #[test]
    fn a_generator_of_shifts_and_sums_has_at_most_its_state() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let shifts = samples(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[2]
        });
        for lane in 0..8 {
            assert!(complexity(&shifts, lane) <= 64);
        }
    }

    #[test]
    fn random_bits_need_a_register_of_half_their_number() {
        let mut rng = soak::Rng::new(1);
        for _ in 0..100 {
            let random = samples(|| rng.roll().to_le_bytes()[0]);
            assert!(complexity(&random, 7).abs_diff(OF / 2) < 20);
        }
    }
}
