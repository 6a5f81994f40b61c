//! How much a status has changed, which decides how soon it is written.

use api::{Condition, ConditionType, EntropyClassStatus, EntropyPoolStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How soon a status is written; the soonest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// Only counts of the nodes or messages differ.
    Low,
    /// A condition differs, or a figure that follows from an edit.
    High,
    /// The accepted spec differs: it is written at once, since a restart must know it.
    Immediate,
}

/// The status of a pool or a class.
pub(super) trait Status: Clone + PartialEq {
    fn conditions(&self) -> &[Condition];

    fn conditions_mut(&mut self) -> &mut Vec<Condition>;

    fn generation(&self) -> i64;

    /// Whether both have the same accepted spec and the same generation.
    fn same_acceptance(&self, other: &Self) -> bool;

    /// Whether both have the same figures, apart from counts of the nodes.
    fn same_figures(&self, other: &Self) -> bool;

    /// Sets the times of changes: those of `before` where nothing has changed, else `now`.
    fn keep_transition_times(&mut self, before: Option<&Self>, now: &Time) {
        plan::keep_transition_times(self.conditions_mut(), before.map_or(&[], Self::conditions), now);
    }
}

/// What both statuses have in fields of the same names and different types.
macro_rules! accessors {
    () => {
        fn conditions(&self) -> &[Condition] {
            &self.conditions
        }

        fn generation(&self) -> i64 {
            self.observed_generation.unwrap_or_default()
        }

        fn conditions_mut(&mut self) -> &mut Vec<Condition> {
            &mut self.conditions
        }

        fn same_acceptance(&self, other: &Self) -> bool {
            self.accepted == other.accepted && self.observed_generation == other.observed_generation
        }

        fn same_figures(&self, other: &Self) -> bool {
            self.effective == other.effective && self.assured == other.assured
        }
    };
}

impl Status for EntropyClassStatus {
    accessors!();
}

impl Status for EntropyPoolStatus {
    accessors!();

    fn keep_transition_times(&mut self, before: Option<&Self>, now: &Time) {
        plan::keep_transition_times(&mut self.conditions, before.map_or(&[], Self::conditions), now);
        let earlier = before.and_then(|before| before.output.as_ref());
        if let Some(output) = self.output.as_mut().filter(|output| output.served != output.promised) {
            let since = earlier.filter(|earlier| earlier.served == output.served);
            output.since = since.and_then(|earlier| earlier.since.clone()).or_else(|| Some(now.clone()));
        }
    }
}

/// How soon `now`, with its times set, must replace `before`; `None` if they are equal.
pub(super) fn priority<S: Status>(before: Option<&S>, now: &S) -> Option<Priority> {
    let Some(before) = before else { return Some(Priority::Immediate) };
    if !before.same_acceptance(now) {
        return Some(Priority::Immediate);
    }
    // A condition that only a newer version knows is not compared.
    let mut before = before.clone();
    before.conditions_mut().retain(|condition| condition.kind != ConditionType::Other);
    let values = |status: &S| -> Vec<_> {
        let conditions = status.conditions().iter();
        let mut all: Vec<_> = conditions.map(|it| (it.kind, it.status as u8, it.reason)).collect();
        all.sort_unstable();
        all
    };
    if values(&before) != values(now) || !before.same_figures(now) {
        return Some(Priority::High);
    }
    before.conditions_mut().sort_unstable_by_key(|condition| condition.kind);
    let mut now = now.clone();
    now.conditions_mut().sort_unstable_by_key(|condition| condition.kind);
    (before != now).then_some(Priority::Low)
}

#[cfg(test)]
mod tests {
    use api::{ConditionStatus, Reason};

    use super::*;

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::new(second, 0).expect("a small number of seconds is a time"))
    }

    fn status(ready: ConditionStatus, message: &str, generation: i64) -> EntropyClassStatus {
        let condition = Condition {
            kind: ConditionType::Ready,
            status: ready,
            reason: Reason::AsPromised,
            message: message.to_owned(),
            observed_generation: Some(generation),
            last_transition_time: None,
        };
        EntropyClassStatus {
            observed_generation: Some(generation),
            conditions: vec![condition],
            ..EntropyClassStatus::default()
        }
    }

    fn timed(
        mut status: EntropyClassStatus,
        before: Option<&EntropyClassStatus>,
        second: i64,
    ) -> EntropyClassStatus {
        status.keep_transition_times(before, &time(second));
        status
    }

    #[test]
    fn the_priority_follows_from_what_differs() {
        let before = timed(status(ConditionStatus::True, "", 1), None, 10);
        let after = |ready, message, generation| timed(status(ready, message, generation), Some(&before), 20);
        let cases = [
            (after(ConditionStatus::True, "", 1), None),
            (after(ConditionStatus::True, "2 of 3", 1), Some(Priority::Low)),
            (after(ConditionStatus::False, "", 1), Some(Priority::High)),
            (after(ConditionStatus::True, "", 2), Some(Priority::Immediate)),
        ];
        for (now, expected) in cases {
            assert_eq!(priority(Some(&before), &now), expected, "{now:?}");
        }
        assert_eq!(priority(None, &before), Some(Priority::Immediate));
    }

    #[test]
    fn a_condition_keeps_the_time_at_which_its_status_changed() {
        let before = timed(status(ConditionStatus::True, "", 1), None, 10);
        let same = timed(status(ConditionStatus::True, "another message", 2), Some(&before), 20);
        assert_eq!(same.conditions[0].last_transition_time, Some(time(10)));
        let changed = timed(status(ConditionStatus::False, "", 2), Some(&before), 30);
        assert_eq!(changed.conditions[0].last_transition_time, Some(time(30)));
    }

    #[test]
    fn a_condition_of_a_newer_version_is_no_difference() {
        let now = timed(status(ConditionStatus::True, "", 1), None, 10);
        let mut before = now.clone();
        before.conditions.push(Condition { kind: ConditionType::Other, ..before.conditions[0].clone() });
        assert_eq!(priority(Some(&before), &now), None);
    }
}
