//! The inputs of an engine: a pool's active sources, and the kernel.

use std::collections::HashMap;
use std::io;

use zeroize::Zeroizing;

use crate::condition::{Conditioner, NEEDED, OUTPUT, SEED};
use crate::health::MinEntropy;
use crate::memory::Locked;
use crate::sampler::Subscriber;

/// The most uncredited bytes of one source that go into one block.
const MAX_UNCREDITED: usize = 64;

/// Fills all of the space with the kernel's bytes or fails, without waiting: `WouldBlock` before the kernel is seeded.
pub(crate) type KernelBytes = fn(&mut [u8]) -> io::Result<()>;

/// Credit that each source has given for the next block, in thousandths of a bit.
pub(super) type Shares = HashMap<u64, u32>;

/// A seed that no other generator gets, in locked memory.
pub(super) type Seed = Locked<[u8; SEED]>;

pub(super) struct Inputs<'a> {
    /// Sources that earn credit, with the assessed min-entropy of a byte.
    pub(super) credited: Vec<(&'a Subscriber, MinEntropy)>,
    pub(super) uncredited: Vec<&'a Subscriber>,
    /// Whether the kernel's generator is one of the pool's sources.
    pub(super) has_kernel: bool,
    /// The kernel's generator; seeds use it in any case.
    pub(super) kernel: KernelBytes,
}

impl Inputs<'_> {
    /// The inputs of a degraded pool: a generator of the kernel's seeds.
    pub(super) fn kernel_only(kernel: KernelBytes) -> Inputs<'static> {
        Inputs { credited: vec![], uncredited: vec![], has_kernel: true, kernel }
    }

    /// Fills the conditioner for the next block as far as the samples suffice; returns whether it is ready. It starts with
    /// source `first`; callers rotate it, so that none is used only when another runs dry.
    pub(super) fn absorb_credited(&self, conditioner: &mut Conditioner, first: usize) -> bool {
        let count = self.credited.len();
        for at in 0..count {
            let (subscriber, h) = self.credited[(first + at) % count];
            if conditioner.ready() {
                break;
            }
            subscriber.take(|samples| conditioner.absorb(samples, h));
        }
        conditioner.ready()
    }

    /// Brings the conditioner as near to a block as the samples go, with an equal share of every source, so that no source
    /// is alone behind a block; returns whether it is ready. `shares` is what each source has given, by its subscriber.
    pub(super) fn absorb_shares(&self, conditioner: &mut Conditioner, shares: &mut Shares) -> bool {
        let Ok(count) = u32::try_from(self.credited.len()) else { return false };
        if count == 0 {
            return false;
        }
        let share = NEEDED.div_ceil(count);
        let mut is_complete = true;
        for (subscriber, h) in &self.credited {
            let given = shares.entry(subscriber.id()).or_default();
            subscriber.take(|samples| {
                let (taken, credit) = conditioner.absorb_share(samples, *h, share.saturating_sub(*given));
                *given += credit;
                taken
            });
            is_complete &= *given >= share;
        }
        is_complete && conditioner.ready()
    }

    /// Mixes in the bytes that earn no credit.
    pub(super) fn mix_uncredited(&self, conditioner: &mut Conditioner) {
        for subscriber in &self.uncredited {
            subscriber.take(|samples| {
                let mixed = &samples[..samples.len().min(MAX_UNCREDITED)];
                conditioner.mix(mixed);
                mixed.len()
            });
        }
        if self.has_kernel {
            let mut bytes = Zeroizing::new([0; OUTPUT]);
            // Nothing relies on it, so a failure does not matter.
            if (self.kernel)(&mut bytes[..]).is_ok() {
                conditioner.mix(&bytes[..]);
            }
        }
    }

    /// Moves tested samples to the front of `space`, one source after the other: output `Raw`.
    pub(super) fn copy_samples(&self, space: &mut [u8]) -> usize {
        let mut filled = 0;
        for (subscriber, _) in &self.credited {
            let rest = &mut space[filled..];
            filled += subscriber.take(|samples| {
                let count = samples.len().min(rest.len());
                rest[..count].copy_from_slice(&samples[..count]);
                count
            });
        }
        filled
    }

    /// Additional input to a request: the kernel's bytes, which a clone does not share.
    pub(super) fn additional(&self) -> io::Result<Zeroizing<[u8; OUTPUT]>> {
        let mut bytes = Zeroizing::new([0; OUTPUT]);
        (self.kernel)(&mut bytes[..])?;
        Ok(bytes)
    }

    /// A seed of the kernel's bytes alone.
    pub(super) fn kernel_seed(&self) -> io::Result<Seed> {
        let mut seed = Seed::new([0; SEED]);
        (self.kernel)(&mut seed[..])?;
        Ok(seed)
    }

    /// A seed with the conditioner's block, which must be ready, as the entropy and the kernel's bytes as the nonce.
    pub(super) fn conditioned_seed(&self, conditioner: &mut Conditioner) -> io::Result<Seed> {
        let mut seed = self.kernel_seed()?;
        let block = seed.first_chunk_mut::<OUTPUT>().expect("a seed is longer than a block");
        let is_emitted = conditioner.emit(block);
        debug_assert!(is_emitted, "only called with a block that is ready");
        Ok(seed)
    }
}
