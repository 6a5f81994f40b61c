//! Bytes of the kernel's generator, for seeds.

use std::io;

use zeroize::Zeroizing;

use crate::condition::{OUTPUT, SEED};

/// Fills all of the space or fails, without waiting: `WouldBlock` before the kernel is seeded.
pub(crate) type KernelBytes = fn(&mut [u8]) -> io::Result<()>;

/// A seed that is nobody else's.
pub(super) type Seed = Zeroizing<[u8; SEED]>;

/// A seed of the kernel's bytes alone.
pub(super) fn fresh(kernel: KernelBytes) -> io::Result<Seed> {
    let mut seed = Seed::new([0; SEED]);
    kernel(&mut seed[..])?;
    Ok(seed)
}

/// A conditioned block as the entropy, the kernel's bytes as the nonce.
pub(super) fn around(block: &[u8; OUTPUT], kernel: KernelBytes) -> io::Result<Seed> {
    let mut seed = fresh(kernel)?;
    seed[..OUTPUT].copy_from_slice(block);
    Ok(seed)
}
