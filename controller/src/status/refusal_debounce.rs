//! Delays the report of a refusal: objects applied together arrive one by one, and the next one may make the edit valid.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{Condition, ConditionStatus, ConditionType};

/// How long the next object of a `kubectl apply` may take.
const DELAY: Duration = Duration::from_secs(1);

/// By object: the newest refused generation, and when its refusal was first seen. Time is an argument.
#[derive(Debug, Default)]
pub(super) struct RefusalDebounce {
    refused: BTreeMap<String, (i64, Duration)>,
}

impl RefusalDebounce {
    /// Whether the conditions of a generation may be written now.
    pub(super) fn allows(
        &mut self,
        object: &str,
        generation: i64,
        conditions: &[Condition],
        now: Duration,
    ) -> bool {
        if !is_refused(conditions) {
            self.refused.remove(object);
            return true;
        }
        let first = self.refused.entry(object.to_owned()).or_insert((generation, now));
        if first.0 != generation {
            *first = (generation, now);
        }
        first.1 + DELAY <= now
    }

    /// Forgets deleted objects.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.refused.retain(|object, _| exists(object));
    }
}

fn is_refused(conditions: &[Condition]) -> bool {
    let refused = |it: &Condition| it.kind == ConditionType::Accepted && it.status == ConditionStatus::False;
    conditions.iter().any(refused)
}

#[cfg(test)]
mod tests {
    use api::Reason;

    use super::*;

    fn accepted(status: ConditionStatus) -> [Condition; 1] {
        [Condition {
            kind: ConditionType::Accepted,
            status,
            reason: Reason::UnknownPool,
            message: String::new(),
            observed_generation: None,
            last_transition_time: None,
        }]
    }

    #[test]
    fn a_refusal_is_delayed_by_a_second_after_each_edit() {
        let (good, bad) = (accepted(ConditionStatus::True), accepted(ConditionStatus::False));
        let mut debounce = RefusalDebounce::default();
        let at = Duration::from_millis;
        assert!(!debounce.allows("a", 1, &bad, at(5_000)));
        assert!(debounce.allows("a", 1, &good, at(5_500)));
        assert!(!debounce.allows("a", 2, &bad, at(9_000)));
        assert!(!debounce.allows("a", 2, &bad, at(9_999)));
        assert!(debounce.allows("a", 2, &bad, at(10_000)));
        assert!(!debounce.allows("a", 3, &bad, at(10_100)));
        assert!(debounce.allows("a", 3, &bad, at(11_100)));
    }
}
