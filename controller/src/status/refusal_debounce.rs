//! A refusal is told a moment after the edit that earned it: what is applied together comes one by one, and what comes
//! next may mend it.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{Condition, ConditionStatus, ConditionType};

/// How long the next object of a `kubectl apply` may take.
const GRACE: Duration = Duration::from_secs(1);

/// When the newest generation of each object was first seen to be refused. Time is an argument.
#[derive(Debug, Default)]
pub(super) struct RefusalDebounce {
    met: BTreeMap<String, (i64, Duration)>,
}

impl RefusalDebounce {
    /// Whether conditions may be told of a generation by now.
    pub(super) fn is_over(
        &mut self,
        object: &str,
        generation: i64,
        conditions: &[Condition],
        now: Duration,
    ) -> bool {
        if !is_refused(conditions) {
            self.met.remove(object);
            return true;
        }
        let met = self.met.entry(object.to_owned()).or_insert((generation, now));
        if met.0 != generation {
            *met = (generation, now);
        }
        met.1 + GRACE <= now
    }

    /// Forgets objects that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.met.retain(|object, _| exists(object));
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
    fn what_is_mended_within_a_second_is_never_told_and_each_edit_has_its_own_second() {
        let (good, bad) = (accepted(ConditionStatus::True), accepted(ConditionStatus::False));
        let mut grace = RefusalDebounce::default();
        let at = Duration::from_millis;
        assert!(!grace.is_over("a", 1, &bad, at(5_000)));
        assert!(grace.is_over("a", 1, &good, at(5_500)));
        assert!(!grace.is_over("a", 2, &bad, at(9_000)));
        assert!(!grace.is_over("a", 2, &bad, at(9_999)));
        assert!(grace.is_over("a", 2, &bad, at(10_000)));
        assert!(!grace.is_over("a", 3, &bad, at(10_100)));
        assert!(grace.is_over("a", 3, &bad, at(11_100)));
    }
}
