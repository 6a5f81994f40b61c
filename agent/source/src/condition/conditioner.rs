//! SHA-256 as a vetted conditioner.

use sha2::{Digest, Sha256};

use crate::health::MinEntropy;
use crate::memory::Locked;

/// Bytes in a conditioned block.
pub const OUTPUT: usize = 32;
/// Assessed entropy that a block takes in, in thousandths of a bit: its 256 bits and 64 more. That is SP 800-90C's rule for
/// full entropy from a vetted conditioning function, and full entropy means that of *n* bits at most *n*·2^-32 are lacking.
///
/// How many are lacking follows from the formula of SP 800-90B 3.1.5.1.2. It depends on the number of input bits, and so on H:
/// at H = 8, where 40 samples make a block, 2^-27.2 bits (a part of 2^-35.2); at H of 6.5 or less, where 50 or more make one,
/// 2^-63.5 bits (a part of 2^-71.5).
pub const NEEDED: u32 = 320_000;

/// Hashes tested samples to blocks of full entropy. No sample is used for two blocks. The state of the hash, with samples
/// that it has not compressed yet, is in locked memory.
pub struct Conditioner {
    hash: Locked<Sha256>,
    /// Assessed entropy taken in for the next block, in thousandths of a bit.
    credit: u32,
}

impl Conditioner {
    pub fn new() -> Self {
        Self { hash: Locked::new(Sha256::new()), credit: 0 }
    }

    /// Takes in as many of the tested samples as the next block still needs; returns how many. They must not be used
    /// again. When [`ready`](Self::ready), it takes none.
    pub fn absorb(&mut self, samples: &[u8], h: MinEntropy) -> usize {
        let wanted = Self::samples_for(NEEDED.saturating_sub(self.credit), h);
        let taken = u32::try_from(samples.len()).map_or(wanted, |given| given.min(wanted));
        self.hash.update(&samples[..taken as usize]);
        self.credit += taken * u32::from(h.thousandths());
        taken as usize
    }

    /// Takes in as many of the tested samples as are worth `share` thousandths of a bit; returns how many, and what they
    /// are worth. For a block that several sources share.
    pub fn absorb_share(&mut self, samples: &[u8], h: MinEntropy, share: u32) -> (usize, u32) {
        let wanted = Self::samples_for(share, h);
        let taken = u32::try_from(samples.len()).map_or(wanted, |given| given.min(wanted));
        self.hash.update(&samples[..taken as usize]);
        let credit = taken * u32::from(h.thousandths());
        self.credit += credit;
        (taken as usize, credit)
    }

    /// Takes in bytes that earn no credit: of sources without an assessment, of the kernel.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Whether the next block is complete.
    pub fn ready(&self) -> bool {
        self.credit >= NEEDED
    }

    /// Writes the block and starts the next; false, and no block, while not [`ready`](Self::ready).
    pub fn emit(&mut self, block: &mut [u8; OUTPUT]) -> bool {
        if !self.ready() {
            return false;
        }
        Digest::finalize_into_reset(&mut *self.hash, block.into());
        self.credit = 0;
        true
    }

    /// Discards what it took in, when a source of some of it raised an alarm.
    pub fn reset(&mut self) {
        Digest::reset(&mut *self.hash);
        self.credit = 0;
    }

    #[cfg(test)]
    pub(super) fn assert_protected(&self) {
        crate::memory::tests::assert_protected(&raw const *self.hash);
    }

    fn samples_for(thousandths: u32, h: MinEntropy) -> u32 {
        thousandths.div_ceil(h.thousandths().into())
    }
}

impl Default for Conditioner {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn h(thousandths: u16) -> MinEntropy {
        MinEntropy::from_thousandths(thousandths).unwrap()
    }

    #[test]
    fn a_block_takes_three_hundred_and_twenty_assessed_bits() {
        for (thousandths, samples) in
            [(8000, 40), (7800, 42), (6000, 54), (1000, 320), (100, 3200), (1, 320_000)]
        {
            let (mut conditioner, mut block) = (Conditioner::new(), [0; OUTPUT]);
            assert_eq!(conditioner.absorb(&vec![1; samples - 1], h(thousandths)), samples - 1);
            assert!(!conditioner.emit(&mut block));
            assert_eq!(block, [0; OUTPUT]);
            assert_eq!(conditioner.absorb(&[1; 2], h(thousandths)), 1);
            assert!(conditioner.emit(&mut block));
            assert!(!conditioner.emit(&mut block), "a block is emitted once");
        }
    }

    /// SP 800-90B 3.1.5.1.2 for `n_out = nw = 256` and `h_in = 320`, with 8 bits of input a sample: the bits that the output
    /// lacks. `P_low` is `2^-n_in`, so that `psi = 2^-256 (1 + 2^-64)` and
    /// `omega = 2^-256 (1 + sqrt(512 ln 2) 2^-(n_in-256)/2)`.
    fn lacking(samples: u32) -> f64 {
        let ln2 = std::f64::consts::LN_2;
        let omega = (512.0 * ln2).sqrt() * (-(8.0 * f64::from(samples) - 256.0) / 2.0).exp2();
        omega.max((-64f64).exp2()) / ln2
    }

    #[test]
    fn a_block_lacks_no_more_than_full_entropy_may() {
        for thousandths in 1..=8000 {
            let part = lacking(Conditioner::samples_for(NEEDED, h(thousandths))) / 256.0;
            assert!(part <= (-32f64).exp2(), "{thousandths}");
        }
        let bits = |thousandths| lacking(Conditioner::samples_for(NEEDED, h(thousandths))).log2();
        assert!((bits(8000) + 27.2).abs() < 0.1, "{}", bits(8000));
        assert!((bits(6500) + 63.5).abs() < 0.1, "{}", bits(6500));
    }

    #[test]
    fn the_block_is_the_hash_of_all_that_was_taken_in() {
        let (mut conditioner, mut block) = (Conditioner::new(), [0; OUTPUT]);
        for _ in 0..2 {
            conditioner.mix(b"start");
            assert_eq!(conditioner.absorb(&[7; 100], MinEntropy::FULL_BYTE), 40);
            assert!(conditioner.emit(&mut block));
            assert_eq!(block[..], Sha256::digest([&b"start"[..], &[7; 40]].concat())[..]);
        }
    }

    #[test]
    fn samples_that_wait_are_in_protected_memory() {
        Conditioner::new().assert_protected();
    }

    #[test]
    fn mixing_earns_nothing() {
        let mut conditioner = Conditioner::new();
        conditioner.mix(&vec![9; 100_000]);
        assert!(!conditioner.ready());
    }

    #[test]
    fn sources_of_different_min_entropy_add_up() {
        let mut conditioner = Conditioner::new();
        assert_eq!(conditioner.absorb(&[1; 20], h(8000)), 20);
        assert_eq!(conditioner.absorb(&[1; 500], h(1000)), 160);
        assert!(conditioner.ready());
    }

    #[test]
    fn discarded_samples_earn_no_credit() {
        let (mut conditioner, mut block) = (Conditioner::new(), [0; OUTPUT]);
        conditioner.absorb(&[1; 40], MinEntropy::FULL_BYTE);
        conditioner.reset();
        assert!(!conditioner.ready());
        conditioner.absorb(&[2; 40], MinEntropy::FULL_BYTE);
        assert!(conditioner.emit(&mut block));
        assert_eq!(block[..], Sha256::digest([2; 40])[..]);
    }
}
