//! A generator's output, seeded from the sources and the kernel.

use std::io;

use zeroize::Zeroizing;

use super::inputs::Inputs;
use super::kernel_seed::{KernelBytes, around, fresh};
use crate::condition::{Conditioner, OUTPUT, Stretched};

/// A DRBG, and what gathers its next seed.
pub(super) struct StretchedOutput {
    personalization: Vec<u8>,
    conditioner: Conditioner,
    drbg: Option<Stretched>,
    turn: usize,
}

impl StretchedOutput {
    pub(super) fn new(personalization: Vec<u8>) -> Self {
        Self { personalization, conditioner: Conditioner::new(), drbg: None, turn: 0 }
    }

    /// Fills the front of `space`, as far as its seeds go.
    pub(super) fn fill(&mut self, space: &mut [u8], from: &Inputs<'_>, now: u64) -> io::Result<usize> {
        self.gather(from);
        let mut filled = 0;
        while filled < space.len() && self.is_seeded(from, now)? {
            filled += self.drbg.as_mut().map_or(0, |drbg| drbg.fill(&mut space[filled..], now));
        }
        Ok(filled)
    }

    /// Whether samples would bring it nearer to its next seed.
    pub(super) fn is_gathering(&self) -> bool {
        !self.conditioner.ready()
    }

    pub(super) fn forget(&mut self) {
        self.conditioner.forget();
    }

    fn gather(&mut self, from: &Inputs<'_>) {
        if !self.conditioner.ready() && from.feed(&mut self.conditioner, self.turn) {
            self.turn = self.turn.wrapping_add(1);
        }
    }

    /// Takes a seed if it needs one. Sources that are active from are waited for; the kernel alone never is.
    fn is_seeded(&mut self, from: &Inputs<'_>, now: u64) -> io::Result<bool> {
        if self.drbg.as_ref().is_some_and(|drbg| !drbg.is_due(now)) {
            return Ok(true);
        }
        let mut block = Zeroizing::new([0; OUTPUT]);
        if self.conditioner.ready() {
            let extra = fresh(from.kernel)?;
            self.conditioner.emit(&mut block);
            self.seed(&*around(&block, from.kernel)?, now);
            self.seed(&extra, now);
            self.gather(from);
        } else if from.credited.is_empty() {
            self.seed(&*fresh(from.kernel)?, now);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn seed(&mut self, seed: &[u8; crate::condition::SEED], now: u64) {
        match &mut self.drbg {
            Some(drbg) => drbg.reseed(seed, now),
            None => self.drbg = Some(Stretched::new(seed, &self.personalization, now)),
        }
    }
}

/// What is served instead of what was promised: a generator of the kernel's seeds.
pub(super) fn from_kernel_alone(kernel: KernelBytes) -> Inputs<'static> {
    Inputs { credited: vec![], uncredited: vec![], has_kernel: true, kernel }
}
