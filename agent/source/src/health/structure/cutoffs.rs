//! The counts that a source which keeps its claim does not reach.

use super::bits::{LONG, OF};
use super::linear;
use crate::health::cutoff::MinEntropy;

/// -log2 of the probability of a false alarm, for each count.
const ALPHA: f64 = 84.0;

pub(super) struct Cutoffs {
    /// Samples of a window, and of a long window, that equal a predicted value.
    pub(super) window_value: u32,
    pub(super) long_value: u32,
    /// Bits of a window, and of a long window, that equal a predicted bit; `None` where H allows a constant bit.
    pub(super) window_bit: Option<u32>,
    pub(super) long_bit: Option<u32>,
    /// The longest shift register that a bit lane may not follow: the bits that it predicted would all be right by chance
    /// with a probability of at most 2^-ALPHA. `None` where no number of them says so.
    pub(super) register: Option<u32>,
}

impl Cutoffs {
    pub(super) fn new(h: MinEntropy) -> Self {
        let bits = f64::from(h.thousandths()) / 1000.0;
        let (window, long) = (OF, OF * LONG);
        let (value, bit) = ((-bits).exp2(), (7.0 - bits).exp2());
        let bit = (bit < 1.0).then_some(bit);
        Self {
            window_value: window_cutoff(h),
            long_value: chernoff(long, value),
            window_bit: bit.map(|bit| chernoff(window, bit)),
            long_bit: bit.map(|bit| chernoff(long, bit)),
            register: bit.and_then(register),
        }
    }
}

/// Samples of a window that equal a predicted value, as in [`Cutoffs::window_value`].
pub(in crate::health) fn window_cutoff(h: MinEntropy) -> u32 {
    chernoff(OF, (-f64::from(h.thousandths()) / 1000.0).exp2())
}

/// The smallest k with P[X >= k] <= 2^-ALPHA by Chernoff's bound, n·D(k/n ‖ p) >= ALPHA, where each of `n` trials succeeds
/// with a probability of at most `p` given those before; `n + 1` if there is none.
fn chernoff(n: u32, p: f64) -> u32 {
    let (mut low, mut high) = (0, n + 1);
    while low < high {
        let middle = low.midpoint(high);
        let share = f64::from(middle) / f64::from(n);
        if share > p && f64::from(n) * divergence(share, p) >= ALPHA {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// See [`Cutoffs::register`]; each of the bits is predicted with a probability of at most `p`.
fn register(p: f64) -> Option<u32> {
    (1..=linear::OF / 2).rev().find(|length| f64::from(linear::OF - 2 * length) * -p.log2() >= ALPHA)
}

/// Kullback and Leibler's divergence in bits of two coins.
fn divergence(q: f64, p: f64) -> f64 {
    let term = |q: f64, p: f64| if q > 0.0 { q * (q / p).log2() } else { 0.0 };
    term(q, p) + term(1.0 - q, 1.0 - p)
}

/// SP 800-90B 6.3.1: the min-entropy by the upper end of the 99 % confidence interval of the most common value.
pub(super) fn most_common_value(count: u32, of: u32) -> f64 {
    let (p, n) = (f64::from(count) / f64::from(of), f64::from(of));
    let upper = p + 2.576 * (p * (1.0 - p) / (n - 1.0)).sqrt();
    -upper.min(1.0).log2()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use num_bigint::BigUint;

    use super::*;

    /// -log2 P[X >= k] of n fair coins, rounded down, by integers.
    fn exact(n: u32, k: u32) -> u64 {
        let (mut choose, mut tail) = (BigUint::from(1u8), BigUint::ZERO);
        for hits in (k..=n).rev() {
            tail += &choose;
            choose = choose * hits / (n - hits + 1);
        }
        u64::from(n) - tail.bits()
    }

    #[test]
    fn the_bound_of_a_fair_coin_is_above_the_exact_tail_and_close_to_it() {
        for n in [512, 4096, 65_536] {
            let cutoff = chernoff(n, 0.5);
            assert!(exact(n, cutoff) >= 84, "{n}");
            assert!(exact(n, cutoff) <= 90, "{n}");
        }
    }

    #[test]
    fn a_register_is_followed_if_it_predicts_more_bits_than_chance() {
        assert_eq!(register(0.5), Some((512 - 84) / 2));
        assert_eq!(register(0.99), None);
    }

    #[test]
    fn a_cutoff_beyond_the_window_is_never_reached() {
        assert_eq!(chernoff(100, 0.9), 101);
    }

    #[test]
    fn the_estimate_of_a_stuck_source_is_zero() {
        assert!(most_common_value(100, 100).abs() < 1e-9);
        assert!((7.4..7.9).contains(&most_common_value(300, 65_536)));
    }
}
