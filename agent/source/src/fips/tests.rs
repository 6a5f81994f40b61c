use super::*;

/// Bytes of a linear congruential generator, which pass every test.
fn even() -> [u8; BLOCK] {
    let mut state = 1u64;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
}

fn test(block: &[u8; BLOCK]) -> Findings {
    BlockTests::new([0x55; 4]).test(block)
}

fn only(test: BlockTest) -> Findings {
    let mut findings = Findings::default();
    findings.set(test, true);
    findings
}

#[test]
fn an_even_block_passes() {
    assert!(test(&even()).passed());
}

#[test]
fn a_stuck_source_fails_every_test() {
    for stuck in [0x00, 0xff] {
        let findings = BlockTests::new([stuck; 4]).test(&[stuck; BLOCK]);
        assert!(BlockTest::ALL.iter().all(|test| findings.failed(*test)));
    }
}

#[test]
fn a_run_of_26_is_long_wherever_it_lies() {
    for (at, shift) in
        (0..BLOCK - 6).step_by(7).zip((0..8).cycle()).chain([(0, 0), (BLOCK - 8, 0), (BLOCK - 8, 7)])
    {
        for (ones, long) in [((1u64 << 25) - 1, false), ((1 << 26) - 1, true)] {
            let mut block = even();
            let place: &mut [u8; 8] =
                block[at.min(BLOCK - 8)..].first_chunk_mut().expect("eight bytes are left");
            // Zeros on both sides.
            let mask = (ones << 2 | ones << 1 | ones | 3) << shift;
            *place = (u64::from_be_bytes(*place) & !mask | ones << 1 << shift).to_be_bytes();
            assert_eq!(test(&block).failed(BlockTest::LongRun), long, "at byte {at}, {shift}");
        }
    }
}

#[test]
fn a_run_may_end_with_the_block() {
    let mut block = even();
    block[BLOCK - 4..].copy_from_slice(&[0xfe, 0, 0, 0]);
    assert!(!test(&block).failed(BlockTest::LongRun), "25 zeros");
    block[BLOCK - 4..].copy_from_slice(&[0xfc, 0, 0, 0]);
    assert!(test(&block).failed(BlockTest::LongRun), "26 zeros");
}

#[test]
fn a_word_is_compared_with_the_last_of_the_block_before() {
    let mut tests = BlockTests::new([0x55; 4]);
    let mut block = even();
    assert!(tests.test(&block).passed());
    block.copy_within(BLOCK - 4.., 0);
    assert_eq!(tests.test(&block), only(BlockTest::Continuous));
}

#[test]
fn the_reference_is_the_word_before_the_first() {
    let block = even();
    let reference = *block.first_chunk().expect("a block is longer");
    assert_eq!(BlockTests::new(reference).test(&block), only(BlockTest::Continuous));
}
