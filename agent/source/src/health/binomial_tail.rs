//! Tails of the binomial distribution, bounded so tightly that a comparison with 2^-alpha is decided.
//!
//! With *p* = 2^-H and H a fraction, *p* is irrational, so no finite number of digits *is* the tail. What is
//! needed is only whether it is above 2^-alpha, and that is proved as follows.
//!
//! 1. `floor(2^F · 2^(-num/den))` is the integer den-th root of 2^(F·den - num), so *p* lies between two
//!    neighbours on the grid of 2^-F, or on one point of it.
//! 2. P[X > k] grows with *p*. Its value at the lower neighbour, with every product rounded down, is therefore
//!    a lower bound; at the upper neighbour, rounded up, an upper bound. `1 - p` of a grid point is a grid point.
//! 3. The smallest k whose *upper* bound is at most 2^-alpha is not too small, the smallest k whose *lower*
//!    bound is at most 2^-alpha is not too large. Where both are the same k, it is the answer.
//!
//! The bounds are at most `C(n,k) · 2n · 2^-F` apart, less than 2^-1000 for n < 1024 and F = 2048. A test
//! covers every H in tenths of a bit and every alpha: all are decided.

use num_bigint::BigUint;

/// F: places after the binary point.
const PRECISION: u32 = 2048;

/// `2^(-numerator/denominator)`, written as the exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exponent {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

/// Two grid points with the true value between them.
#[derive(Clone, Debug)]
pub(super) struct Enclosure {
    pub(super) low: BigUint,
    pub(super) high: BigUint,
}

impl Exponent {
    /// The probability with this exponent.
    pub(super) fn enclose(self) -> Enclosure {
        let places = u64::from(PRECISION) * u64::from(self.denominator);
        let Some(shift) = places.checked_sub(u64::from(self.numerator)) else {
            return Enclosure { low: BigUint::ZERO, high: BigUint::from(1u8) };
        };
        let radicand = BigUint::from(1u8) << shift;
        let low = radicand.nth_root(self.denominator);
        let exact = low.pow(self.denominator) == radicand;
        let high = if exact { low.clone() } else { &low + 1u8 };
        Enclosure { low, high }
    }
}

/// P[X > k] of Bin(n, p) for every k in 0..=n, each enclosed.
#[derive(Debug)]
pub(super) struct Tails {
    low: Vec<BigUint>,
    high: Vec<BigUint>,
}

impl Tails {
    pub(super) fn new(n: u32, p: Exponent) -> Self {
        let p = p.enclose();
        Self { low: bound(n, &p.low, Rounding::Down), high: bound(n, &p.high, Rounding::Up) }
    }

    /// The smallest k with P[X <= k] >= 1 - 2^-alpha, SP 800-90B's critbinom; `None` if F is too small to decide.
    pub(super) fn critbinom(&self, alpha: u8) -> Option<u32> {
        let threshold = BigUint::from(1u8) << (PRECISION - u32::from(alpha));
        let smallest = |tails: &[BigUint]| tails.iter().position(|tail| *tail <= threshold);
        let (not_too_large, not_too_small) = (smallest(&self.low)?, smallest(&self.high)?);
        (not_too_large == not_too_small).then_some(())?;
        u32::try_from(not_too_small).ok()
    }

    /// An upper bound of P[X > k].
    #[cfg(test)]
    pub(super) fn above(&self, k: u32) -> &BigUint {
        &self.high[k as usize]
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

impl Rounding {
    /// The product of two numbers with F places (or of one and an integer, with `places` 0), cut to F places.
    fn multiply(self, a: &BigUint, b: &BigUint) -> BigUint {
        let product = a * b;
        match self {
            Self::Down => product >> PRECISION,
            Self::Up => (product + ((BigUint::from(1u8) << PRECISION) - 1u8)) >> PRECISION,
        }
    }
}

/// P[X > k] for k in 0..=n, at exactly this p, with every rounding in one direction.
fn bound(n: u32, p: &BigUint, rounding: Rounding) -> Vec<BigUint> {
    let one = BigUint::from(1u8) << PRECISION;
    let hits = powers(n, p, rounding);
    let misses = powers(n, &(&one - p), rounding);
    let mut choose = BigUint::from(1u8);
    let mut tail = BigUint::ZERO;
    let mut tails = vec![BigUint::ZERO; n as usize + 1];
    for k in (0..n).rev() {
        let hit = k as usize + 1;
        // C(n, k+1) times P[exactly these k+1 hit]; an integer factor needs no rounding.
        tail += &choose * rounding.multiply(&hits[hit], &misses[n as usize - hit]);
        tails[k as usize].clone_from(&tail);
        choose = choose * (k + 1) / (n - k);
    }
    tails
}

/// base^0 to base^n.
fn powers(n: u32, base: &BigUint, rounding: Rounding) -> Vec<BigUint> {
    let one = BigUint::from(1u8) << PRECISION;
    std::iter::successors(Some(one), |power| Some(rounding.multiply(power, base)))
        .take(n as usize + 1)
        .collect()
}
