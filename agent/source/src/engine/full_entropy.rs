//! Output `FullEntropy`: conditioned blocks, combined by XOR with a DRBG.

use std::collections::HashMap;
use std::io;

use super::inputs::{Inputs, Shares};
use crate::condition::{FullEntropy, OUTPUT};

/// Bytes of output after which the DRBG is reseeded with a conditioned block: as many as one seed may give.
const RESEED_BYTES: usize = 1 << 20;
/// Nanoseconds after which it is reseeded with the kernel's bytes, which cost the sources nothing.
const RESEED_AGE: u64 = 60_000_000_000;

/// The DRBG is seeded by the same conditioner and by the kernel.
pub(super) struct FullEntropyOutput {
    blocks: FullEntropy,
    /// Bytes that may be served before the DRBG takes a block; at first none.
    left: usize,
    reseed_at: u64,
    shares: Shares,
    /// The next block has all its samples.
    is_complete: bool,
}

impl FullEntropyOutput {
    pub(super) fn new(personalization: &[u8], inputs: &Inputs<'_>, now: u64) -> io::Result<Self> {
        let blocks = FullEntropy::new(&*inputs.kernel_seed()?, personalization);
        Ok(Self {
            blocks,
            left: 0,
            reseed_at: now.saturating_add(RESEED_AGE),
            shares: Shares::new(),
            is_complete: false,
        })
    }

    /// Fills the front of `space` with whole blocks, as far as the samples go.
    pub(super) fn fill(&mut self, space: &mut [u8], inputs: &Inputs<'_>, now: u64) -> io::Result<usize> {
        let mut filled = 0;
        for block in space.chunks_exact_mut(OUTPUT) {
            if !self.prepare_block(inputs, now)? {
                break;
            }
            let block = block.try_into().expect("chunks of this size");
            if !self.blocks.emit_with(|| inputs.additional().ok(), block) {
                break;
            }
            self.is_complete = false;
            self.left -= OUTPUT;
            filled += OUTPUT;
        }
        Ok(filled)
    }

    pub(super) fn discard_samples(&mut self) {
        self.blocks.conditioner().reset();
        self.shares.clear();
        self.is_complete = false;
    }

    /// The pool was edited: what its sources gave for the next block stays in it and counts. `new` is each subscriber's
    /// successor.
    pub(super) fn rename_sources(&mut self, new: &HashMap<u64, u64>) {
        let renamed = self.shares.drain().filter_map(|(old, share)| Some((*new.get(&old)?, share)));
        self.shares = renamed.collect();
    }

    /// Whether a block is ready that may be served.
    fn prepare_block(&mut self, inputs: &Inputs<'_>, now: u64) -> io::Result<bool> {
        if now >= self.reseed_at {
            self.blocks.reseed(&*inputs.kernel_seed()?);
            self.reseed_at = now.saturating_add(RESEED_AGE);
        }
        while self.condition(inputs) {
            if self.left > 0 {
                return Ok(true);
            }
            let seed = inputs.conditioned_seed(self.blocks.conditioner())?;
            self.is_complete = false;
            self.blocks.reseed(&seed);
            self.left = RESEED_BYTES;
        }
        Ok(false)
    }

    fn condition(&mut self, inputs: &Inputs<'_>) -> bool {
        let conditioner = self.blocks.conditioner();
        if !self.is_complete && inputs.absorb_shares(conditioner, &mut self.shares) {
            inputs.mix_uncredited(conditioner);
            self.shares.clear();
            self.is_complete = true;
        }
        self.is_complete
    }
}
