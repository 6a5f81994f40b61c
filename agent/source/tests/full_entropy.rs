//! The output of `FullEntropy` follows its definition.
#![allow(clippy::unwrap_used)]

use source::condition::{Conditioner, FullEntropy, HmacDrbg, OUTPUT, SEED};
use source::health::MinEntropy;

fn block_of(conditioner: &mut Conditioner, fill: u8) -> [u8; OUTPUT] {
    let mut block = [0; OUTPUT];
    conditioner.absorb(&[fill; 40], MinEntropy::FULL_BYTE);
    assert!(conditioner.emit(&mut block));
    block
}

#[test]
fn each_block_is_the_xor_of_a_conditioned_block_and_the_drbg() {
    let (mut pool, mut drbg) = (FullEntropy::new(&[5; SEED], b"pool"), HmacDrbg::new(&[5; SEED], b"pool"));
    let mut pad = [0; 4096];
    for round in 0..3u8 {
        drbg.generate(&mut pad);
        for (fill, pad) in (0..=255u8).zip(pad.as_chunks::<OUTPUT>().0) {
            let plain = block_of(&mut Conditioner::new(), fill ^ round);
            pool.conditioner().absorb(&[fill ^ round; 40], MinEntropy::FULL_BYTE);
            let mut block = [0; OUTPUT];
            assert!(pool.emit(&mut block));
            assert_eq!(block, std::array::from_fn(|byte| plain[byte] ^ pad[byte]));
        }
    }
}

#[test]
fn no_block_is_emitted_before_enough_samples() {
    let mut pool = FullEntropy::new(&[5; SEED], b"pool");
    let mut block = [0; OUTPUT];
    pool.conditioner().absorb(&[1; 39], MinEntropy::FULL_BYTE);
    assert!(!pool.emit(&mut block));
    assert_eq!(block, [0; OUTPUT]);
}

#[test]
fn a_reseed_replaces_bytes_generated_ahead() {
    let mut pools = [(); 2].map(|()| FullEntropy::new(&[5; SEED], b"pool"));
    let blocks = [0, 1].map(|index| {
        let pool = &mut pools[index];
        let mut blocks = [[0; OUTPUT]; 2];
        for block in &mut blocks {
            pool.conditioner().absorb(&[1; 40], MinEntropy::FULL_BYTE);
            assert!(pool.emit(block));
            if index == 1 {
                pool.reseed(&[6; SEED]);
            }
        }
        blocks
    });
    assert_eq!(blocks[0][0], blocks[1][0]);
    assert_ne!(blocks[0][1], blocks[1][1]);
}
