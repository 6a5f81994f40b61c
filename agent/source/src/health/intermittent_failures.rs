//! Alarms that add up.

/// Alarms after which a source is off.
const LIMIT: u32 = 3;
/// Clean samples that make one alarm forgotten: even at the loosest alpha, 2^-20, a perfect source is expected to
/// raise at most one in so many.
const FORGIVEN_AFTER: u64 = 1 << 20;

/// A source that recovers from each alarm and soon raises the next is worth less than was claimed. Each alarm is a
/// strike; a million clean samples take one back.
#[derive(Clone, Debug, Default)]
pub(super) struct IntermittentFailures {
    count: u32,
    clean: u64,
}

impl IntermittentFailures {
    /// One more alarm; whether it was one too many.
    pub(super) fn strike(&mut self) -> bool {
        self.count += 1;
        self.clean = 0;
        self.count >= LIMIT
    }

    /// Samples without an alarm.
    pub(super) fn clean(&mut self, samples: usize) {
        self.clean += samples as u64;
        if self.clean >= FORGIVEN_AFTER {
            self.count = self.count.saturating_sub(1);
            self.clean = 0;
        }
    }
}
