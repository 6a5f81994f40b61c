//! SP 800-90C's RBG3(XOR): the XOR of conditioned blocks and a DRBG.

use zeroize::Zeroize;

use super::HmacDrbg;
use super::conditioner::{Conditioner, OUTPUT};
use super::drbg::SEED;
use crate::memory::Locked;

/// Bytes of the DRBG generated ahead: an update of its state for every block would cost more than the blocks.
const AHEAD: usize = 4096;

/// Blocks with as many bits of entropy as bits, as fast as the conditioner gets tested samples.
pub struct FullEntropy {
    conditioner: Conditioner,
    drbg: HmacDrbg,
    pad: Locked<[u8; AHEAD]>,
    /// Bytes of the pad that are used, and wiped.
    used: usize,
}

impl FullEntropy {
    /// The seed is for the DRBG, and must be unique to it.
    pub fn new(seed: &[u8; SEED], personalization: &[u8]) -> Self {
        let drbg = HmacDrbg::new(seed, personalization);
        Self { conditioner: Conditioner::new(), drbg, pad: Locked::new([0; AHEAD]), used: AHEAD }
    }

    pub fn conditioner(&mut self) -> &mut Conditioner {
        &mut self.conditioner
    }

    /// Reseeds the DRBG, as often as a [`Stretched`](super::Stretched) needs it.
    pub fn reseed(&mut self, seed: &[u8; SEED]) {
        self.drbg.reseed(seed);
        self.wipe_pad(AHEAD);
    }

    /// Writes a block; false, and no block, while the conditioner is not ready.
    pub fn emit(&mut self, block: &mut [u8; OUTPUT]) -> bool {
        self.emit_with(|| Some([]), block)
    }

    /// The same with additional input to each of the DRBG's requests, so that a clone of this process that gets other
    /// input makes other bytes; false, and no block, also while there is no input.
    pub fn emit_with<A: AsRef<[u8]>>(
        &mut self,
        additional: impl FnOnce() -> Option<A>,
        block: &mut [u8; OUTPUT],
    ) -> bool {
        if !self.conditioner.ready() {
            return false;
        }
        if self.used == AHEAD {
            let Some(additional) = additional() else { return false };
            self.drbg.generate_with(additional.as_ref(), &mut self.pad[..]);
            self.used = 0;
        }
        self.conditioner.emit(block);
        let pad = &self.pad[self.used..self.used + OUTPUT];
        block.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        self.wipe_pad(self.used + OUTPUT);
        true
    }

    /// No byte of the pad is used twice, or kept after use.
    fn wipe_pad(&mut self, upto: usize) {
        self.pad[self.used..upto].zeroize();
        self.used = upto;
    }
}
