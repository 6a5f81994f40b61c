//! What a failed block means for its source, by `rngd`'s rules.

/// Failures at which a source is disabled.
const LIMIT: u32 = 25;
/// Failures in a row up to which the next block is read at once.
const RETRIED: u32 = LIMIT / 4;
/// Good blocks after which one failure is forgiven.
const FORGIVEN_AFTER: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum PolicyDecision {
    Use,
    /// Discard the block and read the next at once.
    Retry,
    /// Discard the block and let other sources go first.
    Yield,
    /// Discard the block; the source is disabled.
    Disable,
}

/// The failures of one source.
#[derive(Clone, Debug, Default)]
pub struct FailurePolicy {
    failures: u32,
    good: u32,
    /// Failures since the last good block.
    in_a_row: u32,
}

impl FailurePolicy {
    /// Records the result of the next block.
    pub fn record(&mut self, passed: bool) -> PolicyDecision {
        if self.failures >= LIMIT {
            return PolicyDecision::Disable;
        }
        if passed { self.pass() } else { self.fail() }
    }

    fn pass(&mut self) -> PolicyDecision {
        self.in_a_row = 0;
        self.good += 1;
        if self.good == FORGIVEN_AFTER {
            self.good = 0;
            self.failures = self.failures.saturating_sub(1);
        }
        PolicyDecision::Use
    }

    fn fail(&mut self) -> PolicyDecision {
        self.failures += 1;
        self.in_a_row += 1;
        match (self.failures, self.in_a_row) {
            (LIMIT.., _) => PolicyDecision::Disable,
            (_, ..=RETRIED) => PolicyDecision::Retry,
            _ => PolicyDecision::Yield,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_failures_are_retried_at_once_and_the_next_yield() {
        let mut policy = FailurePolicy::default();
        (0..6).for_each(|_| assert_eq!(policy.record(false), PolicyDecision::Retry));
        assert_eq!(policy.record(false), PolicyDecision::Yield);
        assert_eq!(policy.record(true), PolicyDecision::Use);
        assert_eq!(policy.record(false), PolicyDecision::Retry);
    }

    #[test]
    fn the_twenty_fifth_failure_disables_permanently() {
        let mut policy = FailurePolicy::default();
        (0..24).for_each(|_| assert_ne!(policy.record(false), PolicyDecision::Disable));
        assert_eq!(policy.record(false), PolicyDecision::Disable);
        assert_eq!(policy.record(true), PolicyDecision::Disable);
    }

    #[test]
    fn a_thousand_good_blocks_forgive_one_failure() {
        let mut policy = FailurePolicy::default();
        for _ in 0..200 {
            assert_eq!(policy.record(false), PolicyDecision::Retry);
            (0..1000).for_each(|_| assert_eq!(policy.record(true), PolicyDecision::Use));
        }
    }
}
