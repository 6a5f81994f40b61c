//! Known-answer tests of the algorithms, run before a pool is made: SP 800-90A 11.3 requires them of the DRBG.

use hmac::Hmac;
use hmac::digest::{FixedOutput, KeyInit, Update};
use sha2::{Digest, Sha256};

use super::drbg::{HmacDrbg, SEED};

/// An algorithm does not give the answer that is known: the processor, the memory or the build is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the known-answer test of {algorithm} failed: nothing that this process makes can be trusted")]
pub struct SelfTestFailed {
    algorithm: &'static str,
}

/// Runs all of them: some microseconds.
pub(crate) fn self_test() -> Result<(), SelfTestFailed> {
    let failed = |algorithm| Err(SelfTestFailed { algorithm });
    if Sha256::digest(b"abc")[..] != SHA256_ABC {
        return failed("SHA-256");
    }
    let mac = Hmac::<Sha256>::new_from_slice(&[0x0b; 20]).map(|mac| mac.chain(b"Hi There").finalize_fixed());
    if mac.map_or(true, |mac| mac[..] != HMAC_RFC_4231) {
        return failed("HMAC");
    }
    let (mut drbg, mut out) = (HmacDrbg::new(&CAVP_SEED, &[]), [0; 128]);
    drbg.generate(&mut out);
    drbg.generate(&mut out);
    if out[..32] != CAVP_OUTPUT {
        return failed("HMAC_DRBG");
    }
    Ok(())
}

/// FIPS 180-4's example "abc".
const SHA256_ABC: [u8; 32] = hex(b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// RFC 4231, test case 1.
const HMAC_RFC_4231: [u8; 32] = hex(b"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
/// NIST CAVP, `HMAC_DRBG`, SHA-256, no reseed, count 0: entropy and nonce.
const CAVP_SEED: [u8; SEED] =
    hex(b"ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488659ba96c601dc69fc902940805ec0ca8");
/// The front of the output of its second request.
const CAVP_OUTPUT: [u8; 32] = hex(b"e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89");

const fn hex<const N: usize>(text: &[u8]) -> [u8; N] {
    const fn digit(digit: u8) -> u8 {
        if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 }
    }
    let (mut bytes, mut at) = ([0; N], 0);
    while at < N {
        bytes[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_the_known_one() {
        assert_eq!(self_test(), Ok(()));
    }
}
