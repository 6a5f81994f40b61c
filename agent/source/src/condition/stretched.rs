//! A DRBG whose seed expires.

use super::HmacDrbg;
use super::drbg::SEED;

/// Bytes after which a seed expires.
const BYTES: usize = 1 << 20;
/// Nanoseconds after which a seed expires.
const AGE: u64 = 60_000_000_000;

/// A DRBG that generates nothing once its seed has expired: the pool must reseed it, or hold.
pub struct Stretched {
    drbg: HmacDrbg,
    left: usize,
    expires: u64,
}

impl Stretched {
    /// From a seed of full entropy. `personalization` must be unique to the stream.
    pub fn new(seed: &[u8; SEED], personalization: &[u8], now: u64) -> Self {
        Self { drbg: HmacDrbg::new(seed, personalization), left: BYTES, expires: now.saturating_add(AGE) }
    }

    /// Whether the seed has expired.
    pub fn is_due(&self, now: u64) -> bool {
        self.left == 0 || now >= self.expires
    }

    pub fn reseed(&mut self, seed: &[u8; SEED], now: u64) {
        self.drbg.reseed(seed);
        (self.left, self.expires) = (BYTES, now.saturating_add(AGE));
    }

    /// Fills the front of `out`, as far as the seed goes; returns how many bytes.
    pub fn fill(&mut self, out: &mut [u8], now: u64) -> usize {
        if self.is_due(now) {
            return 0;
        }
        let count = out.len().min(self.left);
        self.drbg.generate_to_serve(&mut out[..count]);
        self.left -= count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_expires_after_a_mebibyte() {
        let (mut stretched, mut out) = (Stretched::new(&[1; SEED], &[], 0), vec![0; 300_000]);
        let given: Vec<usize> = (0..5).map(|_| stretched.fill(&mut out, 1)).collect();
        assert_eq!(given, [300_000, 300_000, 300_000, 148_576, 0]);
        stretched.reseed(&[2; SEED], 1);
        assert_eq!(stretched.fill(&mut out, 1), 300_000);
    }

    #[test]
    fn a_seed_expires_after_a_minute() {
        let (mut stretched, mut out) = (Stretched::new(&[1; SEED], &[], 5), [0; 16]);
        assert_eq!(stretched.fill(&mut out, AGE + 4), 16);
        assert_eq!(stretched.fill(&mut out, AGE + 5), 0);
        stretched.reseed(&[2; SEED], AGE + 5);
        assert_eq!(stretched.fill(&mut out, AGE + 6), 16);
    }

    #[test]
    fn a_new_seed_changes_what_follows() {
        let [mut one, mut other] = [(); 2].map(|()| Stretched::new(&[1; SEED], &[], 0));
        let (mut a, mut b) = ([0; 32], [0; 32]);
        other.reseed(&[2; SEED], 0);
        assert_eq!((one.fill(&mut a, 0), other.fill(&mut b, 0)), (32, 32));
        assert_ne!(a, b);
    }
}
