//! Output `Stretched`: a generator's output, seeded from the sources and the kernel.

use std::io;

use super::inputs::Inputs;
use crate::condition::{Conditioner, SEED, Stretched};

/// A DRBG, and the conditioner that collects its next seed.
pub(super) struct StretchedOutput {
    personalization: Vec<u8>,
    conditioner: Conditioner,
    drbg: Option<Stretched>,
    /// The source to start with.
    first: usize,
}

impl StretchedOutput {
    pub(super) fn new(personalization: Vec<u8>) -> Self {
        Self { personalization, conditioner: Conditioner::new(), drbg: None, first: 0 }
    }

    /// Fills the front of `space`, as far as the seeds go.
    pub(super) fn fill(&mut self, space: &mut [u8], inputs: &Inputs<'_>, now: u64) -> io::Result<usize> {
        self.collect_samples(inputs);
        let mut filled = 0;
        while filled < space.len() && self.ensure_seeded(inputs, now)? {
            let additional = inputs.additional()?;
            filled +=
                self.drbg.as_mut().map_or(0, |drbg| drbg.fill(&mut space[filled..], &additional[..], now));
        }
        Ok(filled)
    }

    /// Whether samples would bring it nearer to its next seed.
    pub(super) fn wants_samples(&self) -> bool {
        !self.conditioner.ready()
    }

    pub(super) fn discard_samples(&mut self) {
        self.conditioner.reset();
    }

    fn collect_samples(&mut self, inputs: &Inputs<'_>) {
        if !self.conditioner.ready() && inputs.absorb_credited(&mut self.conditioner, self.first) {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// Reseeds when due and there is entropy. Waits for active sources only for the first seed, and once a seed has
    /// expired; never when the kernel is the only one.
    fn ensure_seeded(&mut self, inputs: &Inputs<'_>, now: u64) -> io::Result<bool> {
        if self.drbg.as_ref().is_some_and(|drbg| !drbg.is_due(now)) {
            return Ok(true);
        }
        if self.conditioner.ready() {
            let extra = inputs.kernel_seed()?;
            let seed = inputs.conditioned_seed(&mut self.conditioner)?;
            self.reseed(&seed, now);
            self.reseed(&extra, now);
            self.collect_samples(inputs);
        } else if inputs.credited.is_empty() {
            self.reseed(&*inputs.kernel_seed()?, now);
        } else {
            return Ok(self.drbg.as_ref().is_some_and(|drbg| !drbg.is_expired(now)));
        }
        Ok(true)
    }

    fn reseed(&mut self, seed: &[u8; SEED], now: u64) {
        match &mut self.drbg {
            Some(drbg) => drbg.reseed(seed, now),
            None => self.drbg = Some(Stretched::new(seed, &self.personalization, now)),
        }
    }
}
