//! When bytes came, and what that says about a shaper.

use std::time::Duration;

/// Bytes that one read of a client gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// On the client's clock, since it began.
    pub at: Duration,
    /// How many.
    pub bytes: u64,
}

/// Everything that came on one connection, in order.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Vec<Arrival>);

/// How far the bytes of any window were from `rate` times its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// In the window that had most too many, in bytes.
    pub above: f64,
    /// In the window that had most too few.
    pub below: f64,
}

impl Arrivals {
    /// Adds what came at `at`.
    pub fn push(&mut self, at: Duration, bytes: usize) {
        self.0.push(Arrival { at, bytes: bytes as u64 });
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|arrival| arrival.bytes).sum()
    }

    /// Without what came before `at`: the burst, the warm-up.
    #[must_use]
    pub fn since(&self, at: Duration) -> Self {
        Self(self.0.iter().copied().filter(|arrival| arrival.at >= at).collect())
    }

    /// The worst of all windows that begin just after one arrival and end just after another, at
    /// `rate` bytes a second.
    pub fn deviation(&self, rate: f64) -> Deviation {
        let mut found = Deviation { above: 0.0, below: 0.0 };
        let (mut sent, mut lowest, mut highest) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        for arrival in &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "a test sees far less than 2^53 bytes")]
            let bytes = arrival.bytes as f64;
            sent += bytes;
            let ahead = sent - rate * arrival.at.as_secs_f64();
            found.above = found.above.max(ahead - lowest);
            found.below = found.below.max(highest - ahead);
            (lowest, highest) = (lowest.min(ahead), highest.max(ahead));
        }
        found
    }
}

/// Jain's index: 1 when all have the same, 1/n when one has it all.
pub fn jain(shares: &[u64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a test sees far less than 2^53 bytes")]
    let shares: Vec<f64> = shares.iter().map(|&share| share as f64).collect();
    #[expect(clippy::cast_precision_loss, reason = "a test has at most some hundred VMs")]
    let count = shares.len() as f64;
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    shares.iter().sum::<f64>().powi(2) / (count * squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_100_ms(bytes: &[usize]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for (&bytes, at) in bytes.iter().zip((0..).step_by(100)) {
            arrivals.push(Duration::from_millis(at), bytes);
        }
        arrivals
    }

    #[test]
    fn an_even_stream_does_not_deviate() {
        let found = every_100_ms(&[10; 50]).deviation(100.0);
        assert!(found.above < 1e-6 && found.below < 1e-6, "{found:?}");
    }

    #[test]
    fn a_gap_and_a_clump_are_found_inside_a_stream_that_is_right_on_the_whole() {
        let found = every_100_ms(&[10, 10, 10, 0, 0, 30, 10, 10]).deviation(100.0);
        assert!((found.above - 20.0).abs() < 1e-6, "{found:?}");
        assert!((found.below - 20.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn jain_is_one_for_equals_and_one_of_n_for_a_monopoly() {
        assert!((jain(&[5, 5, 5, 5]) - 1.0).abs() < 1e-12);
        assert!((jain(&[9, 0, 0, 0]) - 0.25).abs() < 1e-12);
    }
}
