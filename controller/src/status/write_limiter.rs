//! Limits the writes of status in a busy cluster. A changed condition is written at once; if only counts change, an
//! object is written once in thirty seconds, and all objects together ten times a second.

use std::collections::BTreeMap;
use std::time::Duration;

use ::clock::{RateLimit, RateLimiter, Tick};

use super::diff::Priority;

/// The interval of writes of one object with priority `Low`.
const LOW_INTERVAL: Duration = Duration::from_secs(30);
/// The interval of writes of one object with priority `High`, for conditions that flap.
const HIGH_INTERVAL: Duration = Duration::from_secs(1);
/// Writes of all objects with priority `Low`: ten a second, ten in a burst.
const LOW_WRITES: RateLimit = RateLimit::per_second(10, 10);

/// Time is an argument: since the start of the program.
#[derive(Debug, Default)]
pub(super) struct WriteLimiter {
    written: BTreeMap<String, Duration>,
    low: RateLimiter,
}

impl WriteLimiter {
    /// Whether the object may be written now; if so, it counts as written.
    pub(super) fn allows(&mut self, object: &str, priority: Priority, now: Duration) -> bool {
        let waited = |interval| self.written.get(object).is_none_or(|at| *at + interval <= now);
        let tick = Tick(0) + now.into();
        let allowed = match priority {
            Priority::Immediate => true,
            Priority::High => waited(HIGH_INTERVAL),
            Priority::Low => waited(LOW_INTERVAL) && self.low.admit(LOW_WRITES, tick),
        };
        if allowed {
            self.written.insert(object.to_owned(), now);
        }
        allowed
    }

    /// Forgets deleted objects.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.written.retain(|object, _| exists(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_once_in_thirty_seconds_and_conditions_at_once() {
        let mut limiter = WriteLimiter::default();
        let at = Duration::from_secs;
        assert!(limiter.allows("a", Priority::Low, at(100)));
        assert!(!limiter.allows("a", Priority::Low, at(129)));
        assert!(limiter.allows("a", Priority::High, at(129)));
        assert!(!limiter.allows("a", Priority::Low, at(158)));
        assert!(limiter.allows("a", Priority::Low, at(159)));
        assert!(limiter.allows("b", Priority::Low, at(159)));
    }

    #[test]
    fn counts_of_a_thousand_objects_are_written_ten_times_a_second() {
        let mut limiter = WriteLimiter::default();
        let mut written = 0;
        for tenth in 0..100 {
            for object in 0..1_000 {
                let now = Duration::from_millis(50_000 + tenth * 100);
                written += u32::from(limiter.allows(&object.to_string(), Priority::Low, now));
            }
        }
        assert!((100..=111).contains(&written), "{written}");
    }

    #[test]
    fn a_flapping_condition_is_written_once_a_second() {
        let mut limiter = WriteLimiter::default();
        let written =
            (0..10_000).filter(|at| limiter.allows("a", Priority::High, Duration::from_millis(*at))).count();
        assert_eq!(written, 10);
    }

    #[test]
    fn an_accepted_spec_is_always_written_at_once() {
        let mut limiter = WriteLimiter::default();
        assert!((0..1_000).all(|object| limiter.allows(
            &object.to_string(),
            Priority::Immediate,
            Duration::from_secs(1)
        )));
    }
}
