#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sha2::Digest;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn seed(entropy: &str, nonce: &str) -> [u8; SEED] {
    bytes(&(entropy.to_owned() + nonce)).try_into().unwrap()
}

#[test]
fn key_and_value_are_in_protected_memory() {
    let drbg = HmacDrbg::new(&[1; SEED], &[]);
    crate::memory::tests::assert_protected(&raw const drbg.0.mac);
    crate::memory::tests::assert_protected(&raw const drbg.0.value);
    assert_eq!(drbg.0.key, [0; 32], "not kept beside the keyed MAC");
}

/// NIST CAVP, `HMAC_DRBG`, SHA-256, no reseed, no personalization, count 0: the output of the second request.
#[test]
fn the_output_is_that_of_nists_vector() {
    let seed = seed(
        "ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488",
        "659ba96c601dc69fc902940805ec0ca8",
    );
    let expected = "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89\
                    d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc1\
                    07694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668\
                    961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8";
    let (mut drbg, mut out) = (HmacDrbg::new(&seed, &[]), [0; 128]);
    drbg.generate(&mut out);
    drbg.generate(&mut out);
    assert_eq!(out[..], bytes(expected)[..]);
}

/// RFC 2104 over SHA-256, from the hash alone.
fn plain_hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::digest([&padded(0x36), message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).into()
}

/// SP 800-90A 10.1.2.2 to 10.1.2.5 as written.
struct Plain {
    key: [u8; 32],
    value: [u8; 32],
}

impl Plain {
    fn new(seed_material: &[u8]) -> Self {
        let mut plain = Self { key: [0; 32], value: [1; 32] };
        plain.update(seed_material);
        plain
    }

    fn update(&mut self, data: &[u8]) {
        self.key = plain_hmac(&self.key, &[&self.value, &[0][..], data].concat());
        self.value = plain_hmac(&self.key, &self.value);
        if !data.is_empty() {
            self.key = plain_hmac(&self.key, &[&self.value, &[1][..], data].concat());
            self.value = plain_hmac(&self.key, &self.value);
        }
    }

    fn generate(&mut self, additional: &[u8], count: usize) -> Vec<u8> {
        if !additional.is_empty() {
            self.update(additional);
        }
        let mut out = Vec::new();
        while out.len() < count {
            self.value = plain_hmac(&self.key, &self.value);
            out.extend(self.value);
        }
        out.truncate(count);
        self.update(additional);
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn personalized_and_reseeded_it_agrees_with_the_standard_as_written(
        seed: [[u8; 16]; 3],
        again: [[u8; 16]; 3],
        personalization in prop::collection::vec(any::<u8>(), 0..80),
        requests in prop::collection::vec((any::<bool>(), 0usize..40, 1usize..200), 1..12),
    ) {
        let (seed, again): ([u8; SEED], [u8; SEED]) =
            (seed.concat().try_into().unwrap(), again.concat().try_into().unwrap());
        let mut drbg = HmacDrbg::new(&seed, &personalization);
        let mut plain = Plain::new(&[&seed[..], &personalization].concat());
        for (reseed, additional, count) in requests {
            if reseed {
                drbg.reseed(&again);
                plain.update(&again);
            }
            let mut out = vec![0; count];
            let additional = vec![7; additional];
            drbg.generate_with(&additional, &mut out);
            prop_assert_eq!(out, plain.generate(&additional, count));
        }
    }
}

#[test]
fn more_than_the_standard_allows_at_once_takes_several_requests() {
    let [mut one, mut two] = [(); 2].map(|()| HmacDrbg::new(&[3; SEED], &[]));
    let (mut whole, mut parts) = (vec![0; MOST_AT_ONCE + 5], vec![0; MOST_AT_ONCE + 5]);
    one.generate(&mut whole);
    let (first, second) = parts.split_at_mut(MOST_AT_ONCE);
    two.generate(first);
    two.generate(second);
    assert!(whole == parts);
}

/// Compiles only if the state is wiped on drop.
#[test]
fn state_is_wiped() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<HmacDrbg>();
    // All the state that an HMAC has.
    wiped::<Sha256>();
}

#[test]
fn streams_with_the_same_seed_differ_by_their_personalization() {
    let of = |text: &[u8]| {
        let mut out = [0; 32];
        HmacDrbg::new(&[3; SEED], text).generate(&mut out);
        out
    };
    let texts = [
        personalization(&[b"ab", b"c"], 0),
        personalization(&[b"a", b"bc"], 0),
        personalization(&[b"abc"], 0),
        personalization(&[b"abc"], 1),
    ];
    let mut outs = texts.map(|text| of(&text)).to_vec();
    outs.sort_unstable();
    outs.dedup();
    assert_eq!(outs.len(), 4);
}

#[test]
fn served_bytes_are_the_front_of_a_longer_request() {
    for length in [1, 32, 100, MOST_AT_ONCE - 64] {
        let [mut one, mut other] = [(); 2].map(|()| HmacDrbg::new(&[7; SEED], b""));
        for _ in 0..2 {
            let (mut served, mut whole) = (vec![0; length], vec![0; length.next_multiple_of(32) + 64]);
            one.generate_to_serve(b"more", &mut served);
            other.generate_with(b"more", &mut whole);
            assert_eq!(served, whole[..length]);
        }
    }
}
