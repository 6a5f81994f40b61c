//! A DRBG whose seed becomes due and, if none follows, expires.

use super::HmacDrbg;
use super::drbg::SEED;

/// Bytes, and nanoseconds, after which a new seed is due.
const DUE_BYTES: usize = 1 << 20;
const DUE_AGE: u64 = 60_000_000_000;
/// Bytes, and nanoseconds, after which a seed expires: far below the 2^48 requests that SP 800-90A 10.1 allows.
const MAX_BYTES: usize = 1 << 26;
const MAX_AGE: u64 = 600_000_000_000;

/// A DRBG that generates nothing once its seed has expired: the pool must reseed it, or hold.
pub struct Stretched {
    drbg: HmacDrbg,
    /// Bytes since the seed.
    used: usize,
    due: u64,
    expires: u64,
}

impl Stretched {
    /// From a seed of full entropy. `personalization` must be unique to the stream.
    pub fn new(seed: &[u8; SEED], personalization: &[u8], now: u64) -> Self {
        let drbg = HmacDrbg::new(seed, personalization);
        let (due, expires) = (now.saturating_add(DUE_AGE), now.saturating_add(MAX_AGE));
        Self { drbg, used: 0, due, expires }
    }

    /// Whether it should be reseeded as soon as there is entropy.
    pub fn is_due(&self, now: u64) -> bool {
        self.used >= DUE_BYTES || now >= self.due
    }

    /// Whether it must not be used without a new seed.
    pub fn is_expired(&self, now: u64) -> bool {
        self.used >= MAX_BYTES || now >= self.expires
    }

    pub fn reseed(&mut self, seed: &[u8; SEED], now: u64) {
        self.drbg.reseed(seed);
        (self.used, self.due) = (0, now.saturating_add(DUE_AGE));
        self.expires = now.saturating_add(MAX_AGE);
    }

    /// Fills the front of `out`, as far as the seed goes; returns how many bytes.
    /// `additional` is input to the request: a clone of this process that gets other input makes other bytes.
    pub fn fill(&mut self, out: &mut [u8], additional: &[u8], now: u64) -> usize {
        if self.is_expired(now) {
            return 0;
        }
        // No further than to where it becomes due, so that it is reseeded there if it can be.
        let left = if self.used < DUE_BYTES { DUE_BYTES - self.used } else { MAX_BYTES - self.used };
        let count = out.len().min(left);
        self.drbg.generate_to_serve(additional, &mut out[..count]);
        self.used += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_due_after_a_mebibyte_and_expires_after_sixty_four() {
        let (mut stretched, mut out) = (Stretched::new(&[1; SEED], &[], 0), vec![0; 300_000]);
        let filled: Vec<usize> = (0..4).map(|_| stretched.fill(&mut out, &[], 1)).collect();
        assert_eq!(filled, [300_000, 300_000, 300_000, 148_576]);
        assert!(stretched.is_due(1));
        let mut total = DUE_BYTES;
        while !stretched.is_expired(1) {
            total += stretched.fill(&mut out, &[], 1);
        }
        assert_eq!((total, stretched.fill(&mut out, &[], 1)), (MAX_BYTES, 0));
        stretched.reseed(&[2; SEED], 1);
        assert!(!stretched.is_due(1));
        assert_eq!(stretched.fill(&mut out, &[], 1), 300_000);
    }

    #[test]
    fn a_seed_is_due_after_a_minute_and_expires_after_ten() {
        let (mut stretched, mut out) = (Stretched::new(&[1; SEED], &[], 5), [0; 16]);
        assert!(!stretched.is_due(DUE_AGE + 4) && stretched.is_due(DUE_AGE + 5));
        assert_eq!(stretched.fill(&mut out, &[], MAX_AGE + 4), 16);
        assert_eq!(stretched.fill(&mut out, &[], MAX_AGE + 5), 0);
        stretched.reseed(&[2; SEED], MAX_AGE + 5);
        assert_eq!(stretched.fill(&mut out, &[], MAX_AGE + 6), 16);
    }

    #[test]
    fn a_clone_with_other_input_makes_other_bytes_at_once() {
        let [mut one, mut clone] = [(); 2].map(|()| Stretched::new(&[1; SEED], &[], 0));
        let (mut a, mut b) = ([0; 64], [0; 64]);
        assert_eq!((one.fill(&mut a, &[1; 32], 0), clone.fill(&mut b, &[2; 32], 0)), (64, 64));
        assert!(a.chunks(16).all(|bytes| !b.windows(16).any(|other| other == bytes)));
    }

    #[test]
    fn a_new_seed_changes_what_follows() {
        let [mut one, mut other] = [(); 2].map(|()| Stretched::new(&[1; SEED], &[], 0));
        let (mut a, mut b) = ([0; 32], [0; 32]);
        other.reseed(&[2; SEED], 0);
        assert_eq!((one.fill(&mut a, &[], 0), other.fill(&mut b, &[], 0)), (32, 32));
        assert_ne!(a, b);
    }
}
