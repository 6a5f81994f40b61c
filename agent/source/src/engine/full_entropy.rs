//! Output of full entropy.

use std::io;

use zeroize::Zeroizing;

use super::inputs::Inputs;
use super::kernel_seed::{around, fresh};
use crate::condition::{FullEntropy, OUTPUT};

/// Bytes of output after which the DRBG behind them gets a block of its own: as many as one seed may give.
const BYTES: usize = 1 << 20;
/// Nanoseconds after which it gets the kernel's bytes, which cost the sources nothing.
const AGE: u64 = 60_000_000_000;

/// Conditioned blocks, mixed by XOR with a DRBG that is seeded by the same conditioner and by the kernel.
pub(super) struct FullEntropyOutput {
    blocks: FullEntropy,
    /// Bytes that may still be given before a block goes to the DRBG; at first none.
    left: usize,
    stale: u64,
    turn: usize,
}

impl FullEntropyOutput {
    pub(super) fn new(personalization: &[u8], ingredients: &Inputs<'_>, now: u64) -> io::Result<Self> {
        let blocks = FullEntropy::new(&*fresh(ingredients.kernel)?, personalization);
        Ok(Self { blocks, left: 0, stale: now.saturating_add(AGE), turn: 0 })
    }

    /// Fills the front of `space` with whole blocks, as far as the samples go.
    pub(super) fn fill(&mut self, space: &mut [u8], from: &Inputs<'_>, now: u64) -> io::Result<usize> {
        let mut filled = 0;
        for place in space.chunks_exact_mut(OUTPUT) {
            if !self.prepare(from, now)? {
                break;
            }
            let place = place.try_into().expect("chunks of this size");
            if !self.blocks.emit(place) {
                break;
            }
            self.left -= OUTPUT;
            filled += OUTPUT;
        }
        Ok(filled)
    }

    pub(super) fn forget(&mut self) {
        self.blocks.conditioner().forget();
    }

    /// Whether a block can be had that may be served.
    fn prepare(&mut self, from: &Inputs<'_>, now: u64) -> io::Result<bool> {
        if now >= self.stale {
            self.blocks.reseed(&*fresh(from.kernel)?);
            self.stale = now.saturating_add(AGE);
        }
        while self.condition(from) {
            if self.left > 0 {
                return Ok(true);
            }
            let mut block = Zeroizing::new([0; OUTPUT]);
            self.blocks.conditioner().emit(&mut block);
            self.blocks.reseed(&*around(&block, from.kernel)?);
            self.left = BYTES;
        }
        Ok(false)
    }

    fn condition(&mut self, from: &Inputs<'_>) -> bool {
        let conditioner = self.blocks.conditioner();
        if conditioner.ready() {
            return true;
        }
        let ready = from.feed(conditioner, self.turn);
        if ready {
            from.season(conditioner);
            self.turn = self.turn.wrapping_add(1);
        }
        ready
    }
}
