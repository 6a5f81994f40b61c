//! When tested samples may be used.

/// Samples that follow one before it is used for `FullEntropy`. Within so many every fault of `tests/faults.rs` is found, so
/// that no byte is made of what a source gave after it broke.
const HELD_BACK: usize = 36 * 4096;
/// A slow source would hold its pool up for too long: of it, what it gives in two to three of these is held back, in
/// nanoseconds.
const INTERVAL: u64 = 125_000_000;

/// Which of the samples that wait may be used.
#[derive(Debug)]
pub(super) enum Release {
    /// All of them: what is made of them is void if the source fails.
    AtOnce,
    /// Those of windows that have passed: a sample that is served as it is cannot be void.
    AfterWindow,
    /// Those that were followed by others.
    AfterOthers(HeldBack),
}

impl Release {
    pub(super) fn after_others() -> Self {
        Self::AfterOthers(HeldBack::default())
    }

    /// No samples wait any more.
    pub(super) fn reset(&mut self) {
        if let Self::AfterOthers(held) = self {
            *held = HeldBack::default();
        }
    }

    /// The most samples that are held back, of windows of so many.
    pub(super) fn most(&self, window: usize) -> usize {
        match self {
            Self::AtOnce => 0,
            Self::AfterWindow => window,
            Self::AfterOthers(_) => HELD_BACK,
        }
    }
}

/// How many of the last samples are held back.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// When the last samples came, unless nobody asked for more since.
    last: Option<u64>,
    elapsed: u64,
    /// Samples of this interval and of the two before.
    received: [usize; 3],
}

impl HeldBack {
    /// So many samples were added to those that wait.
    pub(super) fn add(&mut self, count: usize, now: u64) {
        self.elapsed += self.last.map_or(0, |last| now.saturating_sub(last));
        let intervals = self.elapsed / INTERVAL;
        for _ in 0..intervals.min(3) {
            self.received = [0, self.received[0], self.received[1]];
        }
        self.elapsed %= INTERVAL;
        self.received[0] = self.received[0].saturating_add(count);
        self.last = Some(now);
    }

    /// No samples are asked for: time does not count until the next ones.
    pub(super) fn pause(&mut self) {
        self.last = None;
    }

    pub(super) fn count(&self) -> usize {
        self.received.iter().fold(0usize, |sum, count| sum.saturating_add(*count)).min(HELD_BACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_slow_source_what_it_gave_in_the_last_intervals_is_held_back() {
        let mut held = HeldBack::default();
        for at in 0..100 {
            held.add(10, at * INTERVAL / 10);
        }
        // This interval's, of which a tenth has passed with each ten samples, and those of the two before.
        assert_eq!(held.count(), 300);
        held.add(1, 99 * INTERVAL / 10 + 2 * INTERVAL);
        assert_eq!(held.count(), 101);
        held.add(1, 99 * INTERVAL / 10 + 9 * INTERVAL);
        assert_eq!(held.count(), 1);
    }

    #[test]
    fn of_a_fast_source_no_more_is_held_back_than_the_tests_need() {
        let mut held = HeldBack::default();
        for at in 0..1000 {
            held.add(2048, at * 1000);
        }
        assert_eq!(held.count(), HELD_BACK);
    }

    #[test]
    fn time_in_which_nobody_asks_does_not_count() {
        let mut held = HeldBack::default();
        held.add(1000, 0);
        held.pause();
        held.add(10, 100 * INTERVAL);
        assert_eq!(held.count(), 1010);
    }
}
