//! Tails of the binomial distribution, bounded so tightly that a comparison with 2^-alpha is decided.
//!
//! With *p* = 2^-H and H a fraction, *p* is irrational, so no finite number of digits *is* the tail. What is
//! needed is only whether it is above 2^-alpha, and that is proved as follows.
//!
//! 1. 2^(-1/den) is reached from 1/2 by one root for each prime factor of den, and *p* from it by multiplication. Each
//!    step is rounded down for a lower neighbour of *p* on the grid of 2^-F, and up for an upper one.
//! 2. P[X > k] grows with *p*. Its value at the lower neighbour, with every product rounded down, is therefore
//!    a lower bound; at the upper neighbour, rounded up, an upper bound. `1 - p` of a grid point is a grid point.
//! 3. The smallest k whose *upper* bound is at most 2^-alpha is not too small, the smallest k whose *lower*
//!    bound is at most 2^-alpha is not too large. Where both are the same k, it is the answer.
//!
//! The bounds are less than 2^-900 apart for n < 1024 and F = 2048, since `C(n,j) (1-p)^j` is below 2^n; where n is larger, p
//! is so close to 1 that it is below e^560. Tests cover every alpha, and H from a thousandth of a bit to eight bits.

use num_bigint::BigUint;

/// F: places after the binary point.
const PRECISION: u32 = 2048;

/// The tails are needed up to the loosest alpha, 2^-20; larger ones are not computed.
const LARGEST: u32 = PRECISION - 19;
/// Trials that may fail in a tail that is computed.
const MOST_MISSES: u32 = 1024;

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
        let half = BigUint::from(1u8) << (PRECISION - 1);
        let mut root = Enclosure { low: half.clone(), high: half };
        let divisor = gcd(self.numerator, self.denominator);
        let (mut left, mut factor) = (self.denominator / divisor, 2);
        while left > 1 {
            if left.is_multiple_of(factor) {
                root = root.root(factor);
                left /= factor;
            } else {
                factor += 1;
            }
        }
        let power = |base, rounding| power(base, self.numerator / divisor, rounding);
        Enclosure { low: power(&root.low, Rounding::Down), high: power(&root.high, Rounding::Up) }
    }
}

impl Enclosure {
    fn root(&self, degree: u32) -> Self {
        let radicand = |point: &BigUint| point << (u64::from(PRECISION) * u64::from(degree - 1));
        let (low, high) = (radicand(&self.low).nth_root(degree), radicand(&self.high));
        let rounded = high.nth_root(degree);
        let high = if rounded.pow(degree) == high { rounded } else { rounded + 1u8 };
        Self { low, high }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// P[X > k] of Bin(n, p), each enclosed, for k from n downwards until it is above the loosest alpha.
#[derive(Debug)]
pub(super) struct Tails {
    n: u32,
    /// By n - k.
    low: Vec<BigUint>,
    high: Vec<BigUint>,
}

impl Tails {
    pub(super) fn new(n: u32, p: Exponent) -> Self {
        let p = p.enclose();
        Self { n, low: bound(n, &p.low, Rounding::Down), high: bound(n, &p.high, Rounding::Up) }
    }

    /// The smallest k with P[X <= k] >= 1 - 2^-alpha, SP 800-90B's critbinom; `None` if F is too small to decide.
    pub(super) fn critbinom(&self, alpha: u8) -> Option<u32> {
        let threshold = BigUint::from(1u8) << (PRECISION - u32::from(alpha));
        let smallest = |tails: &[BigUint]| {
            let below = u32::try_from(tails.iter().take_while(|tail| **tail <= threshold).count()).ok()?;
            // Unless the tails end at k = 0, one must be above.
            (below < u32::try_from(tails.len()).ok()? || below == self.n + 1).then_some(self.n + 1 - below)
        };
        let (not_too_large, not_too_small) = (smallest(&self.low)?, smallest(&self.high)?);
        (not_too_large == not_too_small).then_some(not_too_small)
    }

    /// An upper bound of P[X > k], if it is below the loosest alpha.
    #[cfg(test)]
    pub(super) fn above(&self, k: u32) -> &BigUint {
        &self.high[(self.n - k) as usize]
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

impl Rounding {
    /// The product of two numbers with F places, cut to F places.
    fn multiply(self, a: &BigUint, b: &BigUint) -> BigUint {
        let product = a * b;
        match self {
            Self::Down => product >> PRECISION,
            Self::Up => (product + ((BigUint::from(1u8) << PRECISION) - 1u8)) >> PRECISION,
        }
    }

    fn divide(self, a: &BigUint, by: u32) -> BigUint {
        match self {
            Self::Down => a / by,
            Self::Up => (a + (by - 1)) / by,
        }
    }
}

/// P[X > k] for k from n downwards, at exactly this p, with every rounding in one direction.
fn bound(n: u32, p: &BigUint, rounding: Rounding) -> Vec<BigUint> {
    let one = BigUint::from(1u8) << PRECISION;
    let largest = BigUint::from(1u8) << LARGEST;
    let (most, miss) = (n.min(MOST_MISSES), &one - p);
    let hits = powers(power(p, n - most, rounding), p, most, rounding);
    // C(n, j) times (1 - p)^j.
    let mut ways = one;
    let mut tails = vec![BigUint::ZERO];
    for j in 0..most {
        let exactly = rounding.multiply(&ways, &hits[(most - j) as usize]);
        let tail = exactly + &tails[j as usize];
        let is_last = tail > largest;
        tails.push(tail);
        if is_last {
            break;
        }
        ways = rounding.divide(&(rounding.multiply(&ways, &miss) * (n - j)), j + 1);
    }
    tails
}

/// base^exponent, by squaring.
fn power(base: &BigUint, exponent: u32, rounding: Rounding) -> BigUint {
    let mut power = BigUint::from(1u8) << PRECISION;
    for bit in (0..u32::BITS - exponent.leading_zeros()).rev() {
        power = rounding.multiply(&power, &power);
        if exponent >> bit & 1 == 1 {
            power = rounding.multiply(&power, base);
        }
    }
    power
}

/// `first` times base^0 to base^count.
fn powers(first: BigUint, base: &BigUint, count: u32, rounding: Rounding) -> Vec<BigUint> {
    std::iter::successors(Some(first), |power| Some(rounding.multiply(power, base)))
        .take(count as usize + 1)
        .collect()
}
