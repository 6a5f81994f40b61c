//! `HMAC_DRBG` of SP 800-90A 10.1.2 with SHA-256: 256 bits of strength.

use hmac::Hmac;
use hmac::digest::{FixedOutput, KeyInit, Update};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::memory::{Locked, wipe_stack};

/// Bytes of a seed: 256 bits of entropy and 128 of nonce.
pub const SEED: usize = 48;
/// The most bytes of one request: SP 800-90A's 2^19 bits.
const MOST_AT_ONCE: usize = 1 << 16;

/// Blocks that are generated after those to be served, so that the hash takes in one of these last.
const SPARE: usize = 2;

type Mac = Hmac<Sha256>;

/// A deterministic generator with backtracking resistance: its output cannot be computed from its later state.
///
/// Its state is in locked memory, which is wiped when it is dropped. The hash crate computes on copies: they are on the
/// stack during a call, which cannot be locked, and are overwritten at its end.
pub struct HmacDrbg(Locked<State>);

struct State {
    /// Keyed with the standard's *Key*.
    mac: Mac,
    /// The standard's *V*.
    value: [u8; 32],
    /// *Key* itself, while `mac` is keyed with it; else zero.
    key: [u8; 32],
}

impl HmacDrbg {
    /// Instantiates from entropy with nonce, and a string that is unique to the instance: see [`personalization`].
    pub fn new(seed: &[u8; SEED], personalization: &[u8]) -> Self {
        let mut drbg = Self(Locked::new(State { mac: keyed(&[0; 32]), value: [1; 32], key: [0; 32] }));
        drbg.update(&[seed, personalization]);
        drbg
    }

    /// Mixes in fresh entropy.
    pub fn reseed(&mut self, seed: &[u8; SEED]) {
        self.update(&[seed]);
    }

    /// Fills `out`, in as many of the standard's requests as it takes.
    pub fn generate(&mut self, out: &mut [u8]) {
        self.generate_with(&[], out);
    }

    /// The same with additional input to each request, which need not be secret to be of use: a copy of this generator
    /// that gets another makes other bytes.
    pub fn generate_with(&mut self, additional: &[u8], out: &mut [u8]) {
        for request in out.chunks_mut(MOST_AT_ONCE) {
            self.fill(request, additional, 0);
        }
    }

    /// Fills `out`, in requests that are 64 bytes longer than what is served. Each block is hashed again, and
    /// the last input stays on the stack for a while, where a core dump would find it; so the last block is a spare one.
    pub fn generate_to_serve(&mut self, additional: &[u8], out: &mut [u8]) {
        for request in out.chunks_mut(MOST_AT_ONCE - SPARE * 32) {
            self.fill(request, additional, SPARE);
        }
    }

    /// One of the standard's requests, with so many spare blocks.
    fn fill(&mut self, request: &mut [u8], additional: &[u8], spare: usize) {
        if !additional.is_empty() {
            self.update(&[additional]);
        }
        let spare_blocks = std::iter::repeat_with(|| None).take(spare);
        // In one loop, so that the spare blocks use the same stack slots as the others.
        for block in request.chunks_mut(32).map(Some).chain(spare_blocks) {
            self.0.advance();
            if let Some(block) = block {
                block.copy_from_slice(&self.0.value[..block.len()]);
            }
        }
        self.update(&[additional]);
    }

    /// `HMAC_DRBG_Update`: a new key and value from the old ones and `data`.
    fn update(&mut self, data: &[&[u8]]) {
        self.0.rekey(0, data);
        if data.iter().any(|part| !part.is_empty()) {
            self.0.rekey(1, data);
        }
        wipe_stack();
    }
}

impl State {
    /// V = HMAC(Key, V).
    fn advance(&mut self) {
        let mac = self.mac.clone().chain(self.value);
        mac.finalize_into((&mut self.value).into());
    }

    /// Key = HMAC(Key, V || round || data), V = HMAC(Key, V).
    fn rekey(&mut self, round: u8, data: &[&[u8]]) {
        let mut mac = self.mac.clone().chain(self.value).chain([round]);
        for part in data {
            mac.update(part);
        }
        mac.finalize_into((&mut self.key).into());
        self.mac = keyed(&self.key);
        self.key.zeroize();
        self.advance();
    }
}

impl ZeroizeOnDrop for HmacDrbg {}

fn keyed(key: &[u8; 32]) -> Mac {
    Mac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// A string that is unique to one stream. Each part is preceded by its length, so that no two lists of parts make the
/// same string; `counter` distinguishes streams that share all parts.
pub fn personalization(parts: &[&[u8]], counter: u64) -> Vec<u8> {
    let with_length = |part: &&[u8]| [&(part.len() as u64).to_be_bytes(), *part].concat();
    let mut text: Vec<u8> = parts.iter().flat_map(with_length).collect();
    text.extend(counter.to_be_bytes());
    text
}

#[cfg(test)]
#[path = "drbg_tests.rs"]
mod tests;
