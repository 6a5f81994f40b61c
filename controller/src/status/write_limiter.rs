//! How many writes of status a busy cluster costs. A change of a condition goes at once; where only figures
//! change, an object is written once in thirty seconds, and all of them together ten times a second.

use std::collections::BTreeMap;
use std::time::Duration;

use ::clock::{RateLimit, RateLimiter, Tick};

use super::diff::Priority;

/// Between two writes of one object where no condition changed.
const CALM: Duration = Duration::from_secs(30);
/// Between two writes of one object whose conditions flap.
const FLAPPING: Duration = Duration::from_secs(1);
/// Calm writes of all objects together: ten a second, ten at once.
const CALM_WRITES: RateLimit = RateLimit::per_second(10, 10);

/// Who wrote when. Time is an argument: since the start of the program.
#[derive(Debug, Default)]
pub(super) struct WriteLimiter {
    written: BTreeMap<String, Duration>,
    calm: RateLimiter,
}

impl WriteLimiter {
    /// Whether the object may be written now; if so it counts as written.
    pub(super) fn allows(&mut self, object: &str, urgency: Priority, now: Duration) -> bool {
        let rested = |pause| self.written.get(object).is_none_or(|at| *at + pause <= now);
        let tick = Tick(0) + now.into();
        let allowed = match urgency {
            Priority::Now => true,
            Priority::Soon => rested(FLAPPING),
            Priority::Calm => rested(CALM) && self.calm.admit(CALM_WRITES, tick),
        };
        if allowed {
            self.written.insert(object.to_owned(), now);
        }
        allowed
    }

    /// Forgets objects that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.written.retain(|object, _| exists(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_once_in_thirty_seconds_and_conditions_at_once() {
        let mut pace = WriteLimiter::default();
        let at = Duration::from_secs;
        assert!(pace.allows("a", Priority::Calm, at(100)));
        assert!(!pace.allows("a", Priority::Calm, at(129)));
        assert!(pace.allows("a", Priority::Soon, at(129)));
        assert!(!pace.allows("a", Priority::Calm, at(158)));
        assert!(pace.allows("a", Priority::Calm, at(159)));
        assert!(pace.allows("b", Priority::Calm, at(159)));
    }

    #[test]
    fn figures_of_a_thousand_objects_cost_ten_writes_a_second() {
        let mut pace = WriteLimiter::default();
        let mut written = 0;
        for tenth in 0..100 {
            for object in 0..1_000 {
                let now = Duration::from_millis(50_000 + tenth * 100);
                written += u32::from(pace.allows(&object.to_string(), Priority::Calm, now));
            }
        }
        assert!((100..=111).contains(&written), "{written}");
    }

    #[test]
    fn a_condition_that_flaps_is_written_once_a_second() {
        let mut pace = WriteLimiter::default();
        let written =
            (0..10_000).filter(|at| pace.allows("a", Priority::Soon, Duration::from_millis(*at))).count();
        assert_eq!(written, 10);
    }

    #[test]
    fn what_was_accepted_is_never_kept_waiting() {
        let mut pace = WriteLimiter::default();
        assert!((0..1_000).all(|object| pace.allows(
            &object.to_string(),
            Priority::Now,
            Duration::from_secs(1)
        )));
    }
}
