//! How long VMs waited for their grants.

/// The upper bounds of the buckets in nanoseconds, from a millisecond to a minute. One more bucket
/// holds longer waits.
pub const WAIT_BOUNDS: [u64; 15] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// A histogram of waits. A grant without a wait costs two additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitHistogram {
    /// Grants by their wait; the last is for those beyond all bounds.
    pub counts: [u64; WAIT_BOUNDS.len() + 1],
    /// Sum of all waits, in nanoseconds.
    pub sum: u64,
}

impl WaitHistogram {
    /// Counts a grant that had waited this many nanoseconds.
    pub fn observe(&mut self, waited: u64) {
        let bucket =
            if waited <= WAIT_BOUNDS[0] { 0 } else { WAIT_BOUNDS.partition_point(|bound| *bound < waited) };
        self.counts[bucket] += 1;
        // 584 years of waits.
        self.sum = self.sum.saturating_add(waited);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (bucket, bound) in WAIT_BOUNDS.into_iter().enumerate() {
            let mut waits = WaitHistogram::default();
            waits.observe(bound);
            waits.observe(bound + 1);
            assert_eq!((waits.counts[bucket], waits.counts[bucket + 1]), (1, 1), "{bound}");
            assert_eq!((waits.count(), waits.sum), (2, 2 * bound + 1));
        }
    }

    #[test]
    fn a_grant_without_a_wait_is_counted() {
        let mut waits = WaitHistogram::default();
        waits.observe(0);
        assert_eq!((waits.counts[0], waits.sum), (1, 0));
    }
}
