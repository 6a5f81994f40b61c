//! The cutoffs against tables computed elsewhere, and against exact fractions where they exist.
#![allow(clippy::unwrap_used)]

use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

const ALPHAS: [u8; 4] = [20, 30, 40, 60];

/// H in hundredths of a bit, and the repetition count's cutoffs for each of `ALPHAS`.
const REPETITION_COUNT: [(u32, [u32; 4]); 12] = [
    (10, [201, 301, 401, 601]),
    (25, [81, 121, 161, 241]),
    (50, [41, 61, 81, 121]),
    (80, [26, 39, 51, 76]),
    (100, [21, 31, 41, 61]),
    (150, [15, 21, 28, 41]),
    (200, [11, 16, 21, 31]),
    (300, [8, 11, 15, 21]),
    (400, [6, 9, 11, 16]),
    (600, [5, 6, 8, 11]),
    (700, [4, 6, 7, 10]),
    (800, [4, 5, 6, 9]),
];

/// H in tenths, and for each of `ALPHAS` the adaptive proportion's cutoff as published and as corrected.
type Row = (u8, [(u32, u32); 4]);

const BITS: [Row; 9] = [
    (1, [(991, 991), (999, 999), (1005, 1005), (1014, 1014)]),
    (2, [(941, 941), (952, 952), (961, 962), (976, 976)]),
    (4, [(840, 841), (856, 856), (869, 869), (890, 890)]),
    (5, [(793, 793), (810, 810), (824, 824), (847, 847)]),
    (6, [(748, 748), (766, 766), (780, 781), (805, 805)]),
    (7, [(705, 705), (723, 724), (739, 739), (764, 764)]),
    (8, [(664, 664), (683, 683), (699, 699), (725, 726)]),
    (9, [(625, 626), (645, 645), (661, 662), (688, 688)]),
    (10, [(589, 590), (609, 609), (625, 626), (652, 653)]),
];

const BYTES: [Row; 9] = [
    (5, [(410, 411), (422, 422), (432, 432), (447, 447)]),
    (10, [(311, 311), (325, 325), (336, 337), (355, 355)]),
    (20, [(177, 178), (190, 191), (201, 202), (220, 221)]),
    (30, [(103, 104), (114, 115), (123, 124), (139, 140)]),
    (40, [(62, 63), (71, 71), (78, 79), (91, 92)]),
    (50, [(39, 40), (46, 46), (51, 52), (62, 63)]),
    (60, [(25, 26), (31, 32), (35, 36), (44, 45)]),
    (70, [(18, 18), (22, 23), (26, 27), (32, 33)]),
    (80, [(13, 14), (16, 17), (19, 20), (25, 26)]),
];

#[test]
fn repetition_count_cutoffs_are_those_of_the_table() {
    for (hundredths, expected) in REPETITION_COUNT {
        let h = Exponent { numerator: hundredths, denominator: 100 };
        assert_eq!(ALPHAS.map(|alpha| repetition_count(h, Alpha(alpha))), expected, "H = {hundredths}/100");
    }
}

#[test]
fn adaptive_proportion_cutoffs_are_those_of_both_tables() {
    for (kind, table) in [(SampleKind::Bit, BITS), (SampleKind::Byte, BYTES)] {
        for (tenths, expected) in table {
            let h = MinEntropy::from_thousandths(u16::from(tenths) * 100).unwrap();
            let (window, h) = (kind.window(h), h.exponent());
            let (whole, rest) = (Tails::new(window, h), Tails::new(window - 1, h));
            let both = |alpha| (1 + whole.critbinom(alpha).unwrap(), 2 + rest.critbinom(alpha).unwrap());
            assert_eq!(ALPHAS.map(both), expected, "{kind:?}, H = {tenths}/10");
        }
    }
}

/// Intermittent and permanent cutoffs that jitterentropy ships for one bit in one, two and three byte samples.
#[test]
fn cutoffs_agree_with_jitterentropy() {
    for (denominator, expected) in [(1, (325, 355)), (2, (422, 447)), (3, (459, 479))] {
        let tails = Tails::new(511, Exponent { numerator: 1, denominator });
        assert_eq!((2 + tails.critbinom(30).unwrap(), 2 + tails.critbinom(60).unwrap()), expected);
    }
}

#[test]
fn every_cutoff_is_decided() {
    for kind in [SampleKind::Bit, SampleKind::Byte] {
        // Every tenth, where the windows of the standard begin, and those of the first powers of two.
        let low = [1, 2, 3, 7, 10, 49, 78, 79, 99, 156, 157, 1001, 3999, 7999];
        for thousandths in (100..=8000).step_by(100).chain(low) {
            let h = MinEntropy::from_thousandths(thousandths).unwrap();
            let tails = Tails::new(kind.window(h) - 1, h.exponent());
            for alpha in 20..=80 {
                let crit = tails.critbinom(alpha);
                assert!(crit.is_some(), "{kind:?}, H = {h}, alpha = 2^-{alpha}");
                assert!(
                    crit.unwrap() + 2 <= kind.window(h),
                    "a test can always fail: {h}, alpha = 2^-{alpha}"
                );
            }
        }
    }
}

#[test]
fn the_window_is_that_of_the_standard_or_holds_four_hundred_bits() {
    let window =
        |kind: SampleKind, thousandths| kind.window(MinEntropy::from_thousandths(thousandths).unwrap());
    for thousandths in 157..=8000 {
        assert_eq!(window(SampleKind::Byte, thousandths), 512);
    }
    for thousandths in 79..=8000 {
        assert_eq!(window(SampleKind::Bit, thousandths), 1024);
    }
    let low = [(156, 4096), (100, 4096), (97, 8192), (10, 65_536), (1, 524_288)];
    assert_eq!(
        low.map(|(thousandths, _)| window(SampleKind::Byte, thousandths)),
        low.map(|(_, window)| window)
    );
}

/// By a sum of decimals of 80 digits, at 2^-60 and 2^-80.
#[test]
fn cutoffs_of_long_windows_are_those_computed_elsewhere() {
    let expected =
        [(157, 508, 512), (156, 3837, 3861), (100, 3951, 3970), (10, 65_257, 65_283), (1, 524_080, 524_102)];
    for (thousandths, intermittent, permanent) in expected {
        let h = MinEntropy::from_thousandths(thousandths).unwrap();
        let cutoff = |alpha| Cutoffs::new(SampleKind::Byte, h, alpha).adaptive_proportion;
        assert_eq!((cutoff(Alpha(60)), cutoff(Alpha(80))), (intermittent, permanent), "{h}");
    }
}

/// SP 800-90B 4.5 asks of an alternative that it detects the loss of half of the min-entropy with a probability of a half.
#[test]
fn a_long_window_detects_the_loss_of_half_of_the_min_entropy() {
    for thousandths in [1, 2, 5, 10, 50, 100, 156] {
        let h = MinEntropy::from_thousandths(thousandths).unwrap();
        let window = f64::from(SampleKind::Byte.window(h));
        let half = (-f64::from(thousandths) / 2000.0).exp2();
        // The mean, which is within one of the median.
        let expected = 1.0 + (window - 1.0) * half;
        let cutoff = Cutoffs::new(SampleKind::Byte, h, Alpha::INTERMITTENT).adaptive_proportion;
        assert!(f64::from(cutoff) < expected - 1.0, "{h}: {cutoff} of {window}, {expected}");
    }
}

/// critbinom where p = 2^-bits exactly, in integers: P[X > k] · 2^(bits·n) is one.
fn critbinom_of_fractions(n: u32, bits: u32, alpha: u8) -> u32 {
    let misses = (BigUint::from(1u8) << bits) - 1u8;
    let threshold = BigUint::from(1u8) << (bits * n - u32::from(alpha));
    let (mut k, mut tail, mut choose) = (n, BigUint::ZERO, BigUint::from(1u8));
    loop {
        tail += &choose * misses.pow(n - k);
        if tail > threshold {
            return k;
        }
        choose = choose * k / (n - k + 1);
        k -= 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn critbinom_is_that_of_exact_fractions(n in 90u32..600, bits in 1u32..=8, alpha in 20u8..=80) {
        let tails = Tails::new(n, Exponent { numerator: bits, denominator: 1 });
        prop_assert_eq!(tails.critbinom(alpha), Some(critbinom_of_fractions(n, bits, alpha)));
    }
}
